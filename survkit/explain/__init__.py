"""Which features drive a survival model's predictions: SurvLIME and SurvSHAP(t)."""

from survkit.explain.explanation import Explanation, MonteCarloExplanation
from survkit.explain.simulation import RandomSurvivalData
from survkit.explain.survlime import SurvLimeExplainer
from survkit.explain.survshap import SurvShapExplainer
from survkit.explain.survshap_explanation import SurvShapExplanation

__all__ = [
    "Explanation",
    "MonteCarloExplanation",
    "RandomSurvivalData",
    "SurvLimeExplainer",
    "SurvShapExplainer",
    "SurvShapExplanation",
]

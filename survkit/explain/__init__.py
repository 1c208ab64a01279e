"""SurvLIME: which features drive a survival model's prediction around one subject."""

from survkit.explain.explanation import Explanation, MonteCarloExplanation
from survkit.explain.simulation import RandomSurvivalData
from survkit.explain.survlime import SurvLimeExplainer

__all__ = ["Explanation", "MonteCarloExplanation", "RandomSurvivalData", "SurvLimeExplainer"]

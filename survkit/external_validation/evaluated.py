"""What an evaluation is made of, as its page and its record show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from survkit.external_validation.new_data import NewData
from survkit.external_validation.recalibration import Recalibration
from survkit.external_validation.scores import Scores
from survkit.external_validation.shift import Shift
from survkit.metrics import Outcomes
from survkit.metrics.subgroups import SubgroupScores
from survkit.report.decision_section import Decisions
from survkit.runs.read import FittedRun
from survkit.types import SurvivalPrediction

AS_TRAINED, RECALIBRATED = "as trained", "recalibrated"


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A run judged on data.

    Parameters
    ----------
    path : Path
        The run's folder.
    run : FittedRun
        The run.
    result : dict
        Its `result.json`.
    new : NewData
        The subjects that are evaluated, without those of a recalibration.
    outcomes : Outcomes
        Theirs, with weights.
    scores : dict
        By model, `AS_TRAINED` and, where it was, `RECALIBRATED`: what it predicts and scores.
    is_own : bool
        Whether the subjects are the run's own test rows.
    recalibration : Recalibration or None
        What was fitted on the rest of the new data.
    shift : Shift or None
        How all new data differ from the training rows.
    why_no_shift : str
        Why that is not known.
    agreement : str
        For own test rows, whether the metrics are those of the record.
    subgroups : dict
        By the names of `predictions`, the scores in the subgroups that were asked for.
    decisions : Decisions or None
        The decision curves.
    """

    path: Path
    run: FittedRun
    result: dict[str, Any]
    new: NewData
    outcomes: Outcomes
    scores: dict[str, Scores]
    is_own: bool = False
    recalibration: Recalibration | None = None
    shift: Shift | None = None
    why_no_shift: str = ""
    agreement: str = ""
    subgroups: dict[str, list[SubgroupScores]] = field(default_factory=dict)
    decisions: Decisions | None = None

    @property
    def predictions(self) -> dict[str, SurvivalPrediction]:
        """What the run predicts, by what sentences call it."""
        return named_predictions(str(self.run.config["model"]), self.scores)

    @property
    def unit(self) -> str:
        """The unit of the times."""
        return str(self.result.get("time_unit", ""))

    @property
    def who(self) -> str:
        """What a row of the evaluated data is."""
        data = self.new.data
        return "rows" if data.num_subjects < len(data) else "subjects"


def named_predictions(model: str, scores: Mapping[str, Scores]) -> dict[str, SurvivalPrediction]:
    """Return predictions by the run's model, as trained and recalibrated where it is both."""
    several = len(scores) > 1
    return {f"{model} {n}" if several else model: own.prediction for n, own in scores.items()}

"""What a record says of the hazard ratios of Cox regressions."""

from __future__ import annotations

from typing import Any

from survkit.baselines.cox_table import hazard_ratios
from survkit.baselines.coxph import CoxPH
from survkit.datasets.preprocessing import Preprocessor
from survkit.models.calibrated import without_calibration
from survkit.models.cause_specific import CauseSpecificModel
from survkit.types import SurvivalData, SurvivalModel


def hazard_ratio_record(
    model: SurvivalModel, rows: SurvivalData, preprocessor: Preprocessor | None
) -> dict[str, Any]:
    """Return the hazard ratios of a Cox regression, calibrated or not; nothing for other models.

    Those of competing causes are in a list, with the name of each cause. `rows` are those that the
    model was fitted on.
    """
    inner = without_calibration(model)

    def record_of(cox: CoxPH, outcomes: SurvivalData) -> dict[str, Any]:
        record = hazard_ratios(cox, outcomes, preprocessor).record()
        if inner is not model:
            record["hazard_ratio_notes"].append(
                "They are the hazard ratios before the calibration of the predicted survival."
            )
        return record

    if isinstance(inner, CoxPH):
        return record_of(inner, rows)
    if not isinstance(inner, CauseSpecificModel):
        return {}
    of_causes = [
        {"cause": name, **record_of(part, rows.of_cause(number))}
        for number, (name, part) in enumerate(zip(inner.cause_names, inner.parts, strict=True), 1)
        if isinstance(part, CoxPH)
    ]
    return {"cause_hazard_ratios": of_causes} if of_causes else {}

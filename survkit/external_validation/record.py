"""Writes an evaluation into a folder of its own: `evaluation.json`, its page, a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import survkit
from survkit.datasets.causes import cause_counts
from survkit.external_validation.evaluated import Evaluated
from survkit.external_validation.fixed_times import CalibrationAt
from survkit.external_validation.recalibration import Recalibration, checkpoint_of
from survkit.external_validation.shift import NO_DIFFERENCE, ColumnShift, OutcomeSummary, Shift
from survkit.files import write_bytes, writing
from survkit.metrics.evaluate import Evaluation
from survkit.pages.csv_tables import spreadsheet_csv
from survkit.runs.folder import to_json
from survkit.runs.read import CHECKPOINT
from survkit.runs.record_files import CONFIG, RESULT
from survkit.runs.subgroups import subgroups_record
from survkit.training.checkpoint import save_checkpoint
from survkit.types import InputError

CURVES = "decision_curves.csv"
FILE, PAGE, FOLDER = "evaluation.json", "evaluation.html", "evaluations"


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds the record of a run, which stays as it is.

    Raises
    ------
    InputError
        Naming the file that is there.
    """
    for name in (RESULT, CONFIG, "last.pt"):
        if (folder / name).exists():
            raise InputError(
                f"--out is {folder}, which holds {name} of a run; an evaluation has a folder of "
                "its own"
            )
    if (folder / CHECKPOINT).exists() and not (folder / FILE).exists():
        raise InputError(f"--out is {folder}, which holds a {CHECKPOINT} that no evaluation wrote")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out is {folder}, which is no folder")


def write_evaluation(folder: Path, evaluated: Evaluated, page: str) -> list[Path]:
    """Write the files of an evaluation and return their paths, `evaluation.json` last.

    An earlier evaluation in the folder is replaced, its checkpoint too where there is no new one.
    """
    check_folder(folder)
    names = [PAGE]
    if evaluated.decisions is not None and not evaluated.decisions.curves.empty:
        write_bytes(folder / CURVES, spreadsheet_csv(evaluated.decisions.curves))
        names.append(CURVES)
    content = to_json(record(evaluated), indent=2)
    write_bytes(folder / PAGE, page.encode())
    if evaluated.recalibration is not None:
        checkpoint = checkpoint_of(evaluated.run, evaluated.recalibration.model)
        save_checkpoint(folder / CHECKPOINT, checkpoint)
        names.append(CHECKPOINT)
    else:
        with writing(folder / CHECKPOINT):
            (folder / CHECKPOINT).unlink(missing_ok=True)
    write_bytes(folder / FILE, content.encode())
    return [folder / name for name in (*names, FILE)]


def record(evaluated: Evaluated) -> dict[str, Any]:
    """Return an evaluation as plain values; what is undefined is NaN, with a reason beside it."""
    run, result, data = evaluated.run, evaluated.result, evaluated.new.data
    outcomes = evaluated.outcomes
    return {
        "survkit_version": survkit.__version__,
        "run": str(evaluated.path),
        "run_id": result.get("run_id"),
        "dataset": run.config["dataset"],
        "model": run.config["model"],
        "seed": run.config.get("seed"),
        "data": {
            "name": evaluated.new.name,
            "own_test_rows": evaluated.is_own,
            "rows": len(data),
            "subjects": data.num_subjects,
            "events": int(data.event.sum()),
            "causes": cause_counts(data),
            "late_entry": data.entry is not None,
        },
        "time_unit": evaluated.unit,
        "horizon": outcomes.grid.horizon,
        "evaluation": outcomes.convention,
        "censoring_from": "training rows" if evaluated.is_own else "evaluated rows",
        "min_at_risk": outcomes.min_at_risk,
        "evaluation_times": list(outcomes.evaluation_times),
        "agreement_with_record": evaluated.agreement or None,
        "metrics": {name: _metrics(own.evaluation) for name, own in evaluated.scores.items()},
        "calibration": {
            name: [_calibration(each) for each in own.calibration]
            for name, own in evaluated.scores.items()
        },
        "recalibration": _recalibration(evaluated.recalibration),
        "subgroups": {m: subgroups_record(own) for m, own in evaluated.subgroups.items()},
        "shift": _shift(evaluated.shift, evaluated.why_no_shift),
        "notes": evaluated.new.notes,
    }


def _metrics(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "values": evaluation.values,
        "intervals": evaluation.intervals,
        "details": evaluation.details,
    }


def _calibration(found: CalibrationAt) -> dict[str, Any]:
    plain = asdict(found)
    numbers = ("observed", "ratio", "intercept", "slope", "distances")
    return {**plain, **{name: getattr(found, name)._asdict() for name in numbers}}


def _recalibration(found: Recalibration | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "kind": found.kind,
        "intercept": found.calibration.intercept,
        "slope": found.calibration.slope,
        "share": found.share,
        "seed": found.seed,
        "rows": found.n,
        "subjects": found.subjects,
        "events": found.events,
        "rows_without_probability": found.calibration.n_impossible,
    }


def _shift(shift: Shift | None, why_not: str) -> dict[str, Any] | None:
    if shift is None:
        return {"reason": why_not} if why_not else None
    return {
        "columns": [_column(each) for each in shift.columns],
        "outcomes": {
            "training": _outcome(shift.training),
            "new": _outcome(shift.new),
        },
        "membership_c_statistic": shift.membership,
        **({"membership_reason": shift.why_no_membership} if shift.why_no_membership else {}),
        "predicted_risk": {
            "time": shift.risk_time,
            **{name: pair._asdict() for name, pair in shift.risk.items()},
        },
    }


def _column(column: ColumnShift) -> dict[str, Any]:
    content: Mapping[str, Any] = {
        "name": column.name,
        "kind": column.kind,
        "standardised_difference": column.difference,
        "missing": column.missing._asdict(),
        **{name: pair._asdict() for name, pair in column.numbers.items()},
    }
    reason = {"reason": NO_DIFFERENCE} if math.isnan(column.difference) else {}
    if column.kind == "number":
        return {**content, **reason}
    shares = {text: pair._asdict() for text, pair in column.shares.items()}
    return {**content, "shares": shares, "unseen_in_training": column.unseen, **reason}


def _outcome(outcome: OutcomeSummary) -> dict[str, Any]:
    risks = [
        {"time": time, "cause": cause, **risk._asdict()}
        for (time, cause), risk in outcome.risks.items()
    ]
    return {
        "rows": outcome.n,
        "subjects": outcome.subjects,
        "events": outcome.events,
        "censored": outcome.censored,
        "median_follow_up": outcome.follow_up,
        "longest_time": outcome.longest,
        "risks": [
            {**each, "reason": "the longest time is earlier"} if math.isnan(each["value"]) else each
            for each in risks
        ],
    }

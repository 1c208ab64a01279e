"""What the files of a record hold: the types of all values that anything reads.

The files of earlier versions pass too. Flags are checked by the config that declares them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from survkit.configs.options import validate_values
from survkit.configs.train import TrainConfig
from survkit.types import InputError

Holds = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _or_none(holds: Holds) -> Holds:
    return lambda value: value is None or holds(value)


def _list_of(holds: Holds) -> Holds:
    return lambda value: isinstance(value, list) and all(map(holds, value))


def _mapping_of(holds: Holds) -> Holds:
    return lambda value: isinstance(value, dict) and all(map(holds, value.values()))


def _fields(**of: Holds) -> Holds:
    """Return a check of a mapping that has at least these keys."""
    return lambda value: (
        isinstance(value, dict) and all(k in value and holds(value[k]) for k, holds in of.items())
    )


def _optional_fields(**of: Holds) -> Holds:
    """Return a check of a mapping in which these keys have the right types where it has them."""
    return lambda value: (
        isinstance(value, dict) and all(holds(value[k]) for k, holds in of.items() if k in value)
    )


def _both(one: Holds, other: Holds) -> Holds:
    return lambda value: one(value) and other(value)


def _only(holds: Holds, **of: Holds) -> Holds:
    """Return a check of a mapping that holds no other keys than these."""
    known = _optional_fields(**of)
    return lambda value: holds(value) and known(value) and set(value) <= set(of)


def _is_interval(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))


def _is_metric(value: Any) -> bool:
    return _or_none(_is_number)(value) or _list_of(_or_none(_is_number))(value)


def _are_metrics(value: Any) -> bool:
    """Whether it is a mapping of metrics, those of evaluation times named as in brier@t=365."""
    if not _mapping_of(_is_metric)(value):
        return False
    times = [name.partition("@t=")[2] for name in value if "@t=" in name]
    return all(re.fullmatch(r"\d+(\.\d+)?(e[+-]?\d+)?", time, re.ASCII) for time in times)


def _is_details(value: Any) -> bool:
    """Whether it is what a record says of one metric: the time comes with the number at risk."""
    known = _optional_fields(time=_is_number, at_risk=_is_count, reason=_is_text)(value)
    return known and ("time" in value or "at_risk" not in value)


_NUMBER_OR_NONE = _or_none(_is_number)
_TEXTS = _list_of(_is_text)
_COUNT_OR_NONE = _or_none(_is_count)

_RATIO_NUMBERS = ("hazard_ratio", "low", "high", "p", "model_hazard_ratio")
_HAZARD_RATIO = _fields(
    feature=_is_text,
    **dict.fromkeys(("level", "reference"), _or_none(_is_text)),
    **dict.fromkeys(_RATIO_NUMBERS, _NUMBER_OR_NONE),
)
_HAZARDS_NUMBERS = ("statistic", "degrees_of_freedom", "p")
_TEST_OF_A_FEATURE = _fields(feature=_is_text, **dict.fromkeys(_HAZARDS_NUMBERS, _NUMBER_OR_NONE))
_TEST_OF_ALL = _fields(
    feature=lambda value: value is None, **dict.fromkeys(_HAZARDS_NUMBERS, _is_number)
)


def _is_hazards_test(value: Any) -> bool:
    return _TEST_OF_A_FEATURE(value) or _TEST_OF_ALL(value)


_FINDING = _only(
    _fields(column=_is_text, detail=_is_text),
    column=_is_text,
    detail=_is_text,
    value=_NUMBER_OR_NONE,
    used=_is_flag,
)
_LEAK_CHECK = _fields(title=_is_text, rule=_is_text, found=_list_of(_FINDING))
_CALIBRATION = _only(
    _fields(applied=_is_flag),
    applied=_is_flag,
    **dict.fromkeys(("intercept", "slope"), _is_number),
    **dict.fromkeys(("gain", "gain_error"), _NUMBER_OR_NONE),
    **dict.fromkeys(("n_used", "n_impossible"), _is_count),
)

_SUBGROUP = _fields(
    name=_is_text,
    **dict.fromkeys(("rows", "subjects", "events"), _is_count),
    events_of_cause=_list_of(_is_count),
    follow_up=_NUMBER_OR_NONE,
    values=_are_metrics,
    intervals=_mapping_of(_is_interval),
    details=_mapping_of(_is_details),
)
_COMPARISON_NUMBERS = ("own", "rest", "difference", "low", "high", "p", "adjusted")
_COMPARISON_KINDS: dict[str, Holds] = {
    **dict.fromkeys(("subgroup", "metric", "reason"), _is_text),
    **dict.fromkeys(_COMPARISON_NUMBERS, _NUMBER_OR_NONE),
    "worse": _is_flag,
}
_SUBGROUP_SCORES = _fields(
    **dict.fromkeys(("spec", "column", "note"), _is_text),
    metrics=_TEXTS,
    censoring_p=_NUMBER_OR_NONE,
    subgroups=_list_of(_SUBGROUP),
    comparisons=_list_of(_only(_fields(**_COMPARISON_KINDS), **_COMPARISON_KINDS)),
)
_COVERAGE = _fields(value=_NUMBER_OR_NONE, interval=_or_none(_is_interval), reason=_is_text)
_OF_GROUP = {"expert": _COUNT_OR_NONE, "rows": _is_count, "events": _is_count}
_BOUNDS = _both(
    _fields(
        **_OF_GROUP,
        coverage=_COVERAGE,
        vacuous=_is_count,
        bound_quantiles=_list_of(_is_number),
        **dict.fromkeys(("mean_bound", "median_bound"), _is_number),
    ),
    _optional_fields(true_coverage=_COVERAGE),
)
_CONFORMAL = _both(
    _fields(
        **dict.fromkeys(("method", "censoring", "censoring_problem"), _is_text),
        **dict.fromkeys(("by_expert", "reached", "dependent_censoring"), _is_flag),
        **dict.fromkeys(("n_fit", "n_calibration", "subjects", "events"), _is_count),
        level=_is_number,
        subjects_needed=_is_count,
        calibration_groups=_list_of(_fields(**_OF_GROUP, needed=_is_count, own=_is_flag)),
    ),
    _optional_fields(test=_list_of(_BOUNDS)),
)

NOT_TESTED = {"evaluate_test": False}
"""What a result holds in place of its test metrics where the test rows were left out."""

NOT_TESTED_TEXT = (
    "is the record of a search, which leaves the test rows out (--no_evaluate_test); train its "
    "configuration without that flag to use the model"
)

_TEST: dict[str, Holds] = {
    "test": _are_metrics,
    "test_details": _mapping_of(_is_details),
    "test_interval": _mapping_of(_or_none(_is_interval)),
}
_NEEDED: dict[str, Holds] = {
    **dict.fromkeys(("run_id", "dataset", "model", "group", "evaluation"), _is_text),
    **dict.fromkeys(("data_sha256", "survkit_version"), _is_text),
    "seed": _COUNT_OR_NONE,
    "known_leaks": _TEXTS,
    "peak_memory_mb": _NUMBER_OR_NONE,
    "timing": _fields(total_seconds=_is_number),
    **_TEST,
    **dict.fromkeys(("epochs_trained", "best_epoch", "num_parameters"), _COUNT_OR_NONE),
}
_KNOWN: dict[str, Holds] = {
    **dict.fromkeys(("time_unit", "configuration", "convergence_reason"), _is_text),
    **dict.fromkeys(("notes", "warnings", "members", "hazard_ratio_notes"), _TEXTS),
    "converged": _or_none(_is_flag),
    "n_train": _COUNT_OR_NONE,
    "validation": _are_metrics,
    "member_weights": _list_of(_is_number),
    "selection": _or_none(_list_of(_fields(model=_is_text, weight=_is_number))),
    "calibration": _or_none(_CALIBRATION),
    "hazard_ratios": _list_of(_HAZARD_RATIO),
    "proportional_hazards": _list_of(_is_hazards_test),
    "leak_checks": _list_of(_LEAK_CHECK),
    "subgroups": _list_of(_SUBGROUP_SCORES),
    "conformal": _CONFORMAL,
    "files": _mapping_of(_fields(size=_is_count, sha256=_is_text)),
    "sha256": _is_text,
}
_TOGETHER = ("hazard_ratios", "proportional_hazards", "hazard_ratio_notes")

_NOTE: dict[str, Holds] = {
    **dict.fromkeys(("log", "note", "model", "dataset", "job_id"), _or_none(_is_text)),
    "seed": _COUNT_OR_NONE,
}


def wrong_in_result(result: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the content of a `result.json`, None where nothing is."""
    needed = {key: holds for key, holds in _NEEDED.items() if is_tested(result) or key not in _TEST}
    wrong = _first_wrong(result, needed, needed=True) or _first_wrong(result, _KNOWN)
    if wrong is None and 0 < sum(key in result for key in _TOGETHER) < len(_TOGETHER):
        return f"of {', '.join(_TOGETHER)} it has only some"
    if wrong is None and result["seed"] is None and "members" not in result:
        return "it has neither a seed nor members"
    return wrong


def is_tested(result: Mapping[str, Any]) -> bool:
    """Whether a result has test metrics, which it lacks only where the run was told so."""
    return result.get("evaluate_test") is not False or any(key in result for key in _TEST)


def wrong_in_note(note: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a launcher's note on a run, None where nothing is."""
    return _first_wrong(note, {"status": _is_text}, needed=True) or _first_wrong(note, _NOTE)


def wrong_in_epoch(values: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a line of `history.jsonl`, None where nothing is."""
    if not _is_count(values.get("epoch")):
        return "it has no number of the epoch"
    return _first_wrong(values, dict.fromkeys(values, _is_metric))


def wrong_in_flags(config: Any) -> str | None:
    """Return what is wrong with a recorded configuration, None where nothing is.

    It may lack any flag, and an ensemble's has no seed.
    """
    if not isinstance(config, Mapping):
        return "the configuration is no mapping of flags to values"
    absent = () if config.get("seed") is not None else ("seed",)
    try:
        validate_values(TrainConfig, {k: v for k, v in config.items() if k not in absent})
    except InputError as error:
        return str(error)
    known = dict.fromkeys(("data_sha256", "run_id"), _is_text)
    return _first_wrong(config, {**known, "schema": _mapping_of(lambda value: True)})


def wrong_run(config: Mapping[str, Any], result: Mapping[str, Any]) -> str | None:
    """Return in what a recorded configuration is of another run than a result, None in nothing.

    A configuration of an earlier version may lack a key.
    """
    for key in ("run_id", "model", "seed", "dataset", "data_sha256"):
        if key in config and config[key] != result[key]:
            return f"its '{key}' is {config[key]!r}, and that of result.json {result[key]!r}"
    return None


def _first_wrong(
    values: Mapping[str, Any], kinds: Mapping[str, Holds], *, needed: bool = False
) -> str | None:
    for key, holds in kinds.items():
        if key not in values and needed:
            return f"it has no '{key}'"
        if key in values and not holds(values[key]):
            shown = repr(values[key])
            return f"its '{key}' is {shown if len(shown) <= 60 else f'{shown[:57]}...'}"
    return None

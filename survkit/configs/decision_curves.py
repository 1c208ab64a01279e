"""The flags `--decision_times` and `--decision_thresholds`, and what they may say."""

from __future__ import annotations

from typing import Any

from survkit.configs.options import option
from survkit.types import InputError


def decision_times_option(topic: str) -> Any:
    """Return the field of the times, below a topic of the help text."""
    return option(
        (),
        "times by which decision curves count the event, in the data's unit",
        topic=topic,
        above=0,
        shown_default="those of the metrics that have enough subjects at risk",
    )


def decision_thresholds_option(topic: str) -> Any:
    """Return the field of the range of thresholds, below a topic of the help text."""
    return option(
        (),
        "lowest and highest threshold of the predicted risk in decision curves",
        topic=topic,
        at_least=0,
        below=1,
        shown_default="0.01, and the last one at which a model puts 10 subjects above it",
    )


def check_decision_curves(times: tuple[float, ...], thresholds: tuple[float, ...]) -> None:
    """Refuse a time that is named twice, and thresholds that are not two in order.

    Raises
    ------
    InputError
        Naming the flag and its values.
    """
    if len(set(times)) < len(times):
        raise InputError(
            f"--decision_times names a time twice: {' '.join(map('{:g}'.format, times))}"
        )
    if thresholds and not (len(thresholds) == 2 and thresholds[0] < thresholds[1]):
        raise InputError(
            f"--decision_thresholds is {' '.join(map('{:g}'.format, thresholds))}; it must be two "
            "risks, the lower one first, as 0.05 0.5"
        )

"""What `--decision_times` and `--decision_thresholds` may say."""

from __future__ import annotations

from survkit.types import InputError


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

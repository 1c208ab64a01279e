"""Names of metrics: the cause that a metric is of, and what its plain name says of it.

The metrics of a cause have its name and a slash before their own: `relapse/brier@50`.
"""

from __future__ import annotations

OVER_CUTS = (
    "brier",
    "integrated_brier",
    "concordance_ipcw",
    "ece",
    "ece_equal_mass",
    "ece_null_mean",
    "ece_null_p95",
    "ece_true",
    "km_calibration",
    "aj_calibration",
    "calibration_in_the_large",
)
"""Metrics over cuts 1..K."""

HIGHER_IS_BETTER = ("concordance", "auc", "accuracy", "purity", "ari", "nmi", "d_calibration_p")
"""First words of the metrics of which more is better; of all others less is."""

RAISED_BY_RESAMPLING = ("ece", "km_calibration", "aj_calibration", "purity", "ari", "nmi")
"""First words of the metrics that repeated subjects push upwards."""

_ERRORS = ("ece", "km_calibration", "aj_calibration")


def split_cause(metric: str) -> tuple[str, str]:
    """Return the name of the cause that a metric is of, "" for all causes, and its plain name."""
    cause, _, plain = metric.rpartition("/")
    return cause, plain


def of_cause(cause: str, plain: str) -> str:
    """Return the name of a metric of a cause; the plain name for all causes, ""."""
    return f"{cause}/{plain}" if cause else plain


def higher_is_better(metric: str) -> bool:
    """Whether more of a metric is better."""
    return split_cause(metric)[1].startswith(HIGHER_IS_BETTER)


def raised_by_resampling(metric: str) -> bool:
    """Whether repeated subjects push a metric upwards."""
    return split_cause(metric)[1].startswith(RAISED_BY_RESAMPLING)


def stands_over_cuts(metric: str) -> bool:
    """Whether a metric needs a usable cut after time 0; that of a risk read at the last one does.

    (Concordance for all causes ranks by predicted medians, that of a cause by its incidence.)
    """
    cause, plain = split_cause(metric)
    return plain in OVER_CUTS or (cause != "" and plain == "concordance")


def within_range(metric: str, interval: tuple[float, float]) -> tuple[float, float]:
    """Return the interval of a metric, that of a calibration error from 0 on: none is below.

    (Moved back by the bias of resampling, it could begin lower.)
    """
    low, high = interval
    return (max(low, 0.0), high) if split_cause(metric)[1].startswith(_ERRORS) else interval

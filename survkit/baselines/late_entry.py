"""What a curve of subjects who come under observation late may suffer from."""

from __future__ import annotations

import numpy as np

from survkit.metrics.censoring import kaplan_meier
from survkit.types import BoolArray, FitMonitor, FloatArray


def warn_of_early_end(
    time: FloatArray,
    event: BoolArray,
    entry: FloatArray,
    model: str,
    monitor: FitMonitor | None,
) -> None:
    """Warn where the Kaplan-Meier curve is 0 before the last subject has come under observation.

    At early times few are at risk. If all of them have the event, the estimate is 0 from there on,
    and nothing that later subjects show can raise it again.

    Parameters
    ----------
    time, event, entry : array, shape (n,)
        The outcomes of the training rows.
    model : str
        Whose curve it is.
    monitor : FitMonitor, optional
        Notes the warning.
    """
    curve = kaplan_meier(time, event, entry)
    ended = curve.times[curve.values == 0]
    if monitor is None or not len(ended):
        return
    later = int(np.count_nonzero(entry >= ended[0]))
    if later:
        monitor.warn(
            f"{model}: all who are at risk at time {ended[0]:g} have the event, so that survival "
            f"is 0 from then on, although {later:,} subject{'s come' if later > 1 else ' comes'} "
            "under observation later; start the time at a later origin"
        )

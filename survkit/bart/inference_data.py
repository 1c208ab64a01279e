"""A fitted BART model as arviz InferenceData, for its diagnostics and plots."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from survkit.bart.model import Bart
from survkit.types import SurvivalData


def inference_data(model: Bart, data: SurvivalData) -> Any:
    """Return posterior draws of hazard and survival, with chains apart.

    Parameters
    ----------
    model : Bart
        Fitted.
    data : SurvivalData
        Subjects to predict; the draws of all of them are held in memory.

    Returns
    -------
    InferenceData (arviz below 1) or DataTree (arviz 1 and later)
        Group `posterior` with `hazard` and `survival`, of dimensions chain, draw, subject and
        time; group `observed_data` with `event` and `time_observed` of the subjects.
    """
    with warnings.catch_warnings():
        # arviz announces its own next version whenever it is imported.
        warnings.filterwarnings("ignore", category=FutureWarning, module="arviz")
        warnings.filterwarnings("ignore", message=".*ArviZ.*", category=FutureWarning)
        import arviz

    forests = model.fitted.forests
    posterior = model.posterior(data)

    def by_chain(draws: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return draws.reshape(forests.num_chains, -1, *draws.shape[1:])

    groups = {
        "posterior": {
            "hazard": by_chain(posterior.hazard),
            "survival": by_chain(posterior.survival),
        },
        "observed_data": {"event": data.event, "time_observed": data.time},
    }
    labels: dict[str, Any] = {
        "coords": {"subject": np.arange(len(data)), "time": model.times},
        "dims": {
            "hazard": ["subject", "time"],
            "survival": ["subject", "time"],
            "event": ["subject"],
            "time_observed": ["subject"],
        },
    }
    from_dict: Any = arviz.from_dict
    if int(arviz.__version__.partition(".")[0]) >= 1:
        return from_dict(groups, **labels)
    return from_dict(**groups, **labels)

"""How often lower bounds hold the true event times, over data sets drawn from one process.

python -m benchmarks.conformal_coverage                 # 200 replicates, as in docs/results.md
python -m benchmarks.conformal_coverage --tiny

Each replicate has training, calibration and test rows of its own, from the dataset `synthetic`.
The bound of a model as it is, is the quantile of its own curve.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.configs.train import TrainConfig
from survkit.datasets import load_dataset
from survkit.metrics.calibration import BINS
from survkit.metrics.curve_calibration import (
    d_calibration_histogram,
    km_calibration,
    survival_bounds,
)
from survkit.models.conformal import ConformalModel
from survkit.models.registry import MODELS
from survkit.types import SurvivalData, SurvivalModel, SurvivalPrediction, TimeGrid

REPLICATES = 200
FIT, CALIBRATION, TEST = 640, 160, 500
LEVEL = 0.9
GRID = TimeGrid.evenly_spaced(10.0, 30)
CASES = {
    "coxph, proportional hazards": ("coxph", "proportional", False),
    "coxph, hazards that cross": ("coxph", "nonproportional", False),
    "fixed_moe, by expert": ("fixed_moe", "nonproportional", True),
    "mtlr, overfitted": ("mtlr", "nonproportional", False),
}
"""Model, process, and whether the subjects of each expert are calibrated among themselves."""

PARAMETERS: dict[str, Any] = {
    **{name: field.default for name, field in TrainConfig.__dataclass_fields__.items()},
    **{"hidden_dim": 32, "num_hidden_layers": 1, "mixture_components": 3, "lr": 5e-3},
    **{"epochs": 12, "batch_size": 128},
}
OVERFITTED = {"epochs": 40, "early_stopping_patience": 40, "lr": 1e-2}


class Parts(NamedTuple):
    """The rows of one replicate."""

    fit: SurvivalData
    calibration: SurvivalData
    test: SurvivalData


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replicates", type=int, default=REPLICATES)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--calibration", type=int, default=CALIBRATION, help="calibration rows")
    parser.add_argument("--tiny", action="store_true", help="2 replicates")
    arguments = parser.parse_args()
    number = 2 if arguments.tiny else arguments.replicates
    sizes = (FIT, arguments.calibration, TEST)
    for case in arguments.cases:
        model, process, by_expert = CASES[case]
        found = [one(model, parts, by_expert) for parts in replicates(process, number, sizes)]
        print(json.dumps({"case": case, "replicates": number, **summary(found)}), flush=True)


def replicates(
    process: str, number: int, sizes: tuple[int, int, int] = (FIT, CALIBRATION, TEST)
) -> Iterator[Parts]:
    """Yield rows that are independent draws of the process."""
    rows = number * sum(sizes)
    drawn = load_dataset(
        "synthetic", data_dir=".", synthetic_rows=int(1.3 * rows) + 10, synthetic_process=process
    ).splits.train
    ends = np.cumsum(sizes)[:-1]
    for part in np.arange(rows).reshape(number, -1):
        yield Parts(*(drawn.subset(each) for each in np.split(part, ends)))


def one(model: str, parts: Parts, by_expert: bool) -> dict[str, float]:
    """Fit and calibrate one model; return what became of the test rows."""
    inner = fitted(model, parts.fit)
    features, truth = parts.test.features, parts.test.true_time
    assert truth is not None
    conformal = {
        method: ConformalModel(inner, method=method, level=LEVEL, by_expert=by_expert).calibrate(
            parts.calibration, parts.fit
        )
        for method in ("cipot", "csd")
    }
    bound = conformal["cipot"].lower_bound(features)
    whole = inner.predict(features, inner.knots.times)
    found = {
        "coverage": np.mean(truth >= bound),
        "as_it_is": np.mean(truth >= np.minimum(whole.quantile(1 - LEVEL), GRID.horizon)),
        "vacuous": np.mean(bound == 0),
        "median_bound": np.median(bound),
    }
    experts = conformal["cipot"].group_of(features)
    own = [expert for expert in np.unique(experts) if int(expert) in conformal["cipot"].groups]
    for place, expert in enumerate(own if by_expert else []):
        rows = experts == expert
        found[f"coverage_of_own_group_{place}"] = np.mean(truth[rows] >= bound[rows])
    for name, each in {"as_it_is": inner, **conformal}.items():
        found |= {f"{k}_{name}": v for k, v in calibration(each.predict(features), parts.test)}
    return {name: float(value) for name, value in found.items()}


def fitted(model: str, rows: SurvivalData) -> SurvivalModel:
    """Return a fitted model: a fifth of the rows stops the mixture, and nothing stops MTLR."""
    fifth = len(rows) // 5
    first, last = rows.subset(np.arange(fifth)), rows.subset(np.arange(fifth, len(rows)))
    built = MODELS[model].build(
        grid=GRID,
        parameters={**PARAMETERS, **(OVERFITTED if model == "mtlr" else {})},
        seed=42,
        device="cpu",
        validation_metrics=lambda prediction: {},
    )
    return built.fit(*((last, first) if model == "fixed_moe" else (rows, rows)))


def calibration(
    prediction: SurvivalPrediction, test: SurvivalData
) -> Iterator[tuple[str, NDArray[np.float64] | float]]:
    """Yield the statistic of D-calibration, and km_calibration."""
    bounds = survival_bounds(prediction.survival, prediction.times, test.time, test.event)
    expected = len(test) / BINS
    yield (
        "d_statistic",
        float(((d_calibration_histogram(*bounds) - expected) ** 2 / expected).sum()),
    )
    # Nobody is observed beyond the horizon, and few until it.
    survival, cuts = prediction.survival[:, :28], GRID.cuts[:28]
    yield "km_calibration", km_calibration(survival, cuts, test.time, test.event)[0]


def summary(found: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each number over replicates, and the standard error of the coverage.

    The coverages of groups are the least and the greatest mean; which expert is which changes.
    """
    names = dict.fromkeys(name for each in found for name in each)
    of_groups = [v for each in found for k, v in each.items() if k.startswith("coverage_of_own")]
    coverage = np.array([each["coverage"] for each in found])
    return {
        **{
            name: round(float(np.mean([each[name] for each in found])), 5)
            for name in names
            if not name.startswith("coverage_of_own")
        },
        "standard_error": round(float(coverage.std(ddof=1) / np.sqrt(len(coverage))), 4),
        **(
            {
                "coverage_of_experts": round(float(np.mean(of_groups)), 4),
                "experts": len(of_groups),
                "standard_error_of_experts": round(
                    float(np.std(of_groups, ddof=1) / np.sqrt(len(of_groups))), 4
                ),
            }
            if len(of_groups) > 1
            else {}
        ),
    }


if __name__ == "__main__":
    main()

"""Time of SurvSHAP(t) explanations, without the model's own predictions, as JSON lines.

python -m benchmarks.survshap_speed           # 8, 20, 60 features; 100 background rows, 100 times
python -m benchmarks.survshap_speed --tiny    # small

The floor is one pass over the predicted curves of all rows, each coalition with each background
row.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from benchmarks.machine import measured_rates, timing
from survkit.explain import SurvShapExplainer
from survkit.types import Float64Array

TIMES = np.linspace(0.0, 5.0, 100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="small sizes")
    arguments = parser.parse_args()
    background, repeats = (5, 1) if arguments.tiny else (100, 5)
    rates = measured_rates()
    for features in (3, 12) if arguments.tiny else (8, 20, 60):
        row, seconds = explained(features, background, repeats)
        floor = rates.floor(bytes_moved=8 * row["coalitions"] * background * len(TIMES))
        print(json.dumps({**row, **timing(seconds, floor)}), flush=True)


def explained(features: int, background: int, repeats: int) -> tuple[dict[str, Any], list[float]]:
    """Explain a subject several times; return what it was and the seconds beside the model's."""
    rng = np.random.default_rng(0)
    sample, subject = rng.normal(size=(background, features)), rng.normal(size=features)
    coefficients = rng.normal(size=features) / np.sqrt(features)

    def survival(rows: Float64Array) -> Float64Array:
        return np.exp(-np.outer(np.exp(rows @ coefficients), 0.2 * TIMES))

    explainer = SurvShapExplainer(survival, sample, TIMES, random_state=0)
    found = [explainer.explain_instance(subject) for _ in range(repeats)]
    row = {
        "what": "one explanation",
        "features": features,
        "background": background,
        "times": len(TIMES),
        "coalitions": found[0].num_coalitions,
        "exact": found[0].exact,
        "standard_error": float(found[0].standard_error.max()),
        "model_seconds": min(each.cost.model_seconds for each in found),
    }
    return row, [each.cost.seconds - each.cost.model_seconds for each in found]


if __name__ == "__main__":
    main()

"""Seconds, effective samples a second and peak memory of BART, as JSON, one fit a process.

python -m benchmarks.bart_speed                  # rossi with both engines, then growth with rows
python -m benchmarks.bart_speed --support2 /path/to/data    # SUPPORT2 on 20 intervals, stochtree

The floor is every row's residual read and written whenever a tree is moved.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import psutil
from sksurv.metrics import concordance_index_censored

from benchmarks.machine import measured_rates, timing
from survkit.bart.baseline import BartBaseline
from survkit.bart.chains import SamplerSettings
from survkit.bart.model import Bart
from survkit.bart.simulate import simulate_survival
from survkit.baselines.coxph import CoxPH
from survkit.datasets import load_dataset
from survkit.types import SurvivalData

GROWTH = (250, 500, 1000, 2000, 4000)
"""Subjects of the simulated data, with about six rows each."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backends", nargs="+", default=["stochtree", "pymc"])
    parser.add_argument("--rossi", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--subjects", nargs="*", type=int, default=list(GROWTH))
    parser.add_argument("--support2", metavar="DATA_DIR", help="fit SUPPORT2 instead")
    parser.add_argument("--tune", type=int, default=200)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--sweeps", type=int, default=SamplerSettings().sweeps)
    parser.add_argument("--regrow", type=int, default=0)
    parser.add_argument("--trees", type=int, default=50)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments)), flush=True)
        return
    simulated = [str(subjects) for subjects in arguments.subjects]
    what = ["rossi", *simulated] if arguments.rossi else simulated
    what = ["support2"] if arguments.support2 else what
    backends = ["stochtree"] if arguments.support2 else arguments.backends
    for one in what:
        for backend in backends:
            in_fresh_process(one, backend)


def in_fresh_process(one: str, backend: str) -> None:
    """Measure one fit where no other has raised the peak memory, and print what it prints."""
    module = [sys.executable, "-m", "benchmarks.bart_speed"]
    command = [*module, *sys.argv[1:], "--one", one, "--backends", backend]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    row = json.loads(output.splitlines()[-1])
    floor = measured_rates().floor(bytes_moved=row.pop("bytes_moved"))
    print(json.dumps({**row, **timing([row["seconds"]], floor)}), flush=True)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    (backend,) = arguments.backends
    settings = SamplerSettings(
        backend=backend,
        tune=arguments.tune,
        draws=arguments.draws,
        sweeps=arguments.sweeps,
        regrow=arguments.regrow,
        trees=arguments.trees,
    )
    fit = fit_support2 if arguments.one == "support2" else fit_bart
    # pymc-bart moves a tenth of its trees in an iteration.
    per_iteration = {
        "stochtree": settings.trees * settings.sweeps,
        "pymc": max(settings.trees // 10, 1),
    }
    moves = settings.chains * (settings.tune + settings.draws) * per_iteration[backend]
    with MemoryWatch() as memory:
        started = time.perf_counter()
        model, details = fit(arguments, settings)
        seconds = time.perf_counter() - started
    convergence = model.convergence
    assert convergence is not None
    figures = convergence.values()
    return {
        "what": f"BART on {arguments.one}",
        "backend": backend,
        "trees": settings.trees,
        "regrow": settings.regrow,
        **details,
        "seconds": seconds,
        # Whenever a tree is moved it reads and writes every row's residual.
        "bytes_moved": 16 * details["rows"] * moves,
        "cpu_seconds": round(memory.cpu_seconds, 1),
        "ess_per_second": round(figures["ess_median"] / seconds, 2),
        "peak_gb": round(memory.peak / 1e9, 2),
        "model_mb": round(model.fitted.forests.nbytes / 1e6, 1),
        **{name: round(value, 3) for name, value in figures.items()},
    }


def fit_bart(
    arguments: argparse.Namespace, settings: SamplerSettings
) -> tuple[Bart, dict[str, Any]]:
    data = rossi() if arguments.one == "rossi" else simulated(int(arguments.one))
    scale = 4.0 if arguments.one == "rossi" else 1.0
    model = Bart(settings=settings, cores=arguments.cores).fit(data, scale=scale)
    survival = model.predict(data)
    concordance = concordance_index_censored(data.event, data.time, -survival.sum(axis=1))[0]
    return model, {
        "rows": int(np.ceil(data.time / scale).sum()),
        "subjects": len(data),
        "concordance": round(float(concordance), 4),
        "mean_survival": survival.mean(axis=0).round(4).tolist(),
    }


def fit_support2(
    arguments: argparse.Namespace, settings: SamplerSettings
) -> tuple[Bart, dict[str, Any]]:
    dataset = load_dataset(
        "support2", data_dir=arguments.support2, time_bins=21, quantile_event_times=True
    )
    train, validation, test = dataset.splits
    model = BartBaseline(grid=dataset.grid, **asdict(settings), cores=arguments.cores)
    model.fit(train, validation)
    cox = CoxPH(grid=dataset.grid).fit(train, validation)
    concordance = {}
    for name, fitted in {"concordance": model, "concordance_coxph": cox}.items():
        risk = fitted.predict(test.features).risk_score()
        index = concordance_index_censored(test.event, test.time, risk)[0]
        concordance[name] = round(float(index), 4)
    rows = int(np.maximum(dataset.grid.classify(train.time), 1).sum())
    return model.bart, {"rows": rows, "subjects": len(train), **concordance}


def rossi() -> SurvivalData:
    from lifelines.datasets import load_rossi

    table = load_rossi()
    covariates = table.drop(columns=["week", "arrest"])
    return SurvivalData(
        covariates.to_numpy("float32"),
        table["arrest"].to_numpy(bool),
        table["week"].to_numpy(float),
        feature_names=tuple(covariates.columns),
    )


def simulated(subjects: int) -> SurvivalData:
    features = np.random.default_rng(0).normal(size=(subjects, 5))
    return simulate_survival(
        features,
        shape=1.5,
        scale=lambda x: 8 * np.exp(-x[:, 0] / 2),
        end_of_study=10,
        seed=0,
    ).data


class MemoryWatch:
    """Largest memory of this process and its children together, and their processor time."""

    def __enter__(self) -> MemoryWatch:
        self.peak = 0
        self.cpu_seconds = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        cpu: dict[int, float] = {}
        while not self._done.wait(0.25):
            resident = 0
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                try:
                    memory = process.memory_info()
                    resident += memory.rss - memory.shared
                    times = process.cpu_times()
                except psutil.NoSuchProcess:
                    continue
                cpu[process.pid] = times.user + times.system
            self.peak = max(self.peak, resident)
        self.cpu_seconds = sum(cpu.values())


if __name__ == "__main__":
    main()

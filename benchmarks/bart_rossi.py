"""Coverage of BART's 90 % intervals on data like rossi, by engine and leaf deviation.

python -m benchmarks.bart_rossi --out coverage               # 100 replicates; run it again to go on
python -m benchmarks.bart_rossi --out coverage --replicates 5
python -m benchmarks.bart_rossi --out coverage --summary     # the table, of what is there
python -m benchmarks.bart_rossi --out coverage --intervals --chains 2    # the data themselves
python -m benchmarks.bart_rossi --out without --without_resampling   # pymc-bart as it might be

A replicate keeps the 432 men's covariates, draws their weeks of arrest from a Cox model fitted to
them and ends at week 52. It is fitted by both engines with both settings of the leaf deviation, on
1 covariate (`fin`) and on 8 (all seven and one of noise). Every fit is one row of coverage.csv.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.bart.chains import SamplerSettings
from survkit.bart.effects import contrast, marginal_means
from survkit.bart.model import Bart
from survkit.bart.posterior import summarise
from survkit.types import SurvivalData

BINARY = ("fin", "race", "wexp", "mar", "paro")
LEVEL = 0.9
SCALE = 4  # weeks in a month
LAST_WEEK = 52
KEYS = ("replicate", "features", "backend", "leaf_deviation")
FITS = tuple(itertools.product((1, 8), ("stochtree", "pymc"), ("prior", "learned")))


class CoxTruth(NamedTuple):
    """A Cox model as what is true: covariates (n, p), log hazard ratios (p,), weekly hazard (52,).

    The baseline is the cumulative hazard at each week, for a man whose covariates are all 0.
    """

    names: tuple[str, ...]
    features: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    baseline: NDArray[np.float64]

    def survival(self, fin: float | None = None) -> NDArray[np.float64]:
        """Return P(not arrested by the end of the week), (n, 52), with `fin` set if given."""
        features = self.features.copy()
        if fin is not None:
            features[:, self.names.index("fin")] = fin
        return np.exp(-np.exp(features @ self.coefficients)[:, None] * self.baseline)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of coverage.csv")
    parser.add_argument("--replicates", type=int, default=100)
    parser.add_argument("--chains", type=int, default=1)
    parser.add_argument("--tune", type=int, default=100)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--sweeps", type=int, default=SamplerSettings().sweeps)
    parser.add_argument(
        "--without_resampling", action="store_true", help="only pymc, its particles not resampled"
    )
    parser.add_argument("--summary", action="store_true", help="only print the table")
    parser.add_argument("--intervals", action="store_true", help="fit the rossi data instead")
    parser.add_argument("--cores", type=int, default=2, help="chains at a time, for --intervals")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "coverage.csv"
    if arguments.intervals:
        print_intervals(sampler_of(arguments), cores=arguments.cores)
        return
    if not arguments.summary:
        run_study(path, arguments)
    print(summary(pd.read_csv(path)).to_string(index=False))


def sampler_of(arguments: argparse.Namespace) -> dict[str, int]:
    """Return the settings of the sampler among the flags."""
    return {name: getattr(arguments, name) for name in ("chains", "tune", "draws", "sweeps")}


def run_study(path: Path, arguments: argparse.Namespace) -> None:
    """Append a row for every fit that the file lacks."""
    done = set()
    if path.exists():
        done = set(pd.read_csv(path)[list(KEYS)].itertuples(index=False, name=None))
    sampler = sampler_of(arguments)
    truths = {features: cox_of_rossi(features) for features in (1, 8)}
    fits = FITS
    if arguments.without_resampling:
        fits = tuple(fit for fit in FITS if "pymc" in fit)
        stop_resampling()
    for replicate in range(arguments.replicates):
        for features, backend, deviation in fits:
            key = (replicate, features, backend, deviation)
            if key in done:
                continue
            settings = SamplerSettings(
                backend=backend, leaf_deviation=deviation, seed=replicate, **sampler
            )
            row = dict(zip(KEYS, key, strict=True)) | measure(truths[features], settings)
            with path.open("a", newline="") as file:
                writer = csv.DictWriter(file, row)
                if file.tell() == 0:
                    writer.writeheader()
                writer.writerow(row)


def stop_resampling() -> None:
    """Keep pymc-bart's particles as they grow, so that each is weighed once, in the end."""
    import pymc_bart

    pymc_bart.PGBART.resample = lambda _self, particles, _weights: particles


def cox_of_rossi(features: int) -> CoxTruth:
    """Fit the Cox model that replicates are drawn from, on `fin` or on all and a noise column."""
    from lifelines import CoxPHFitter
    from lifelines.datasets import load_rossi

    table = load_rossi()
    names = ["fin"] if features == 1 else [*table.columns[2:]]
    cox = CoxPHFitter().fit(table[["week", "arrest", *names]], "week", "arrest")
    at_mean = cox.baseline_cumulative_hazard_.iloc[:, 0]
    weeks = at_mean.reindex(np.arange(1.0, LAST_WEEK + 1), method="ffill").fillna(0.0)
    coefficients = cox.params_[names].to_numpy()
    # lifelines centres the covariates.
    baseline = weeks.to_numpy() * np.exp(-float(table[names].mean() @ coefficients))
    columns = table[names].to_numpy(float)
    if features == 8:
        noise = np.random.default_rng(0).normal(size=len(table))
        names, columns = [*names, "noise"], np.column_stack([columns, noise])
        coefficients = np.append(coefficients, 0.0)
    return CoxTruth(tuple(names), columns, coefficients, baseline)


def draw(truth: CoxTruth, seed: int) -> SurvivalData:
    """Draw each man's week of arrest; whoever has none by week 52 is censored there."""
    uniform = np.random.default_rng(20_000 + seed).random(len(truth.features))
    survived = (truth.survival() > uniform[:, None]).sum(axis=1)  # weeks
    event = survived < LAST_WEEK
    time = np.minimum(survived + 1, LAST_WEEK).astype(float)
    return SurvivalData(truth.features.astype(np.float32), event, time, truth.names)


def measure(truth: CoxTruth, settings: SamplerSettings) -> dict[str, float]:
    """Fit one replicate and compare its intervals with the truth, at the ends of the months."""
    data = draw(truth, settings.seed)
    rules = {name: "one_hot" for name in BINARY if name in truth.names}
    started = time.process_time()
    model = Bart(settings=settings, split_rules=rules, cores=1).fit(data, scale=SCALE)
    seconds = time.process_time() - started
    months = model.times.astype(int) - 1
    draws = model.posterior(data).survival
    of_men, mean = summarise(draws, LEVEL), summarise(draws.mean(axis=1), LEVEL)
    true_of_men = truth.survival()[:, months]
    true_mean = true_of_men.mean(axis=0)
    held, held_mean = inside(of_men, true_of_men), inside(mean, true_mean)
    arms = [marginal_means(model, data, {"fin": value}) for value in (0.0, 1.0)]
    ratio = contrast(model.times, *arms).summary(LEVEL)["hazard_ratio"]
    true_ratio = hazard_ratio(truth, months)
    return {
        "subjects_covered": float(held.mean()),
        "subjects_week52_covered": float(held[:, -1].mean()),
        "mean_covered": float(held_mean.mean()),
        "mean_week52_covered": float(held_mean[-1]),
        "mean_week52_error": float(mean.mean[-1] - true_mean[-1]),
        "mean_week52_width": float(mean.high[-1] - mean.low[-1]),
        "subjects_week52_width": float((of_men.high - of_men.low)[:, -1].mean()),
        "fin_hazard_ratio": float(ratio.mean[-1]),
        "fin_true_hazard_ratio": true_ratio,
        "fin_covered": float(ratio.low[-1] <= true_ratio <= ratio.high[-1]),
        "ess_median": model.convergence.values()["ess_median"] if model.convergence else np.nan,
        "cpu_seconds": round(seconds, 1),
    }


def print_intervals(sampler: dict[str, int], *, cores: int) -> None:
    """Print mean survival at week 52 and the hazard ratio of `fin` on rossi, a line per fit."""
    from lifelines import KaplanMeierFitter
    from lifelines.datasets import load_rossi

    table = load_rossi()
    week, arrest = table["week"].to_numpy(float), table["arrest"].to_numpy(bool)
    estimate = KaplanMeierFitter().fit(week, arrest, alpha=1 - LEVEL)
    low, high = estimate.confidence_interval_.iloc[-1]
    print(f"Kaplan-Meier: {estimate.survival_function_.iloc[-1, 0]:.3f} ({low:.3f} to {high:.3f})")
    names = tuple(table.columns[2:])
    data = SurvivalData(table[list(names)].to_numpy("float32"), arrest, week, names)
    for _, backend, deviation in FITS[: len(FITS) // 2]:
        settings = SamplerSettings(backend=backend, leaf_deviation=deviation, **sampler)
        rules = dict.fromkeys(BINARY, "one_hot")
        model = Bart(settings=settings, split_rules=rules, cores=cores).fit(data, scale=SCALE)
        mean = summarise(model.posterior(data).survival.mean(axis=1)[:, -1], LEVEL)
        arms = [marginal_means(model, data, {"fin": value}) for value in (0.0, 1.0)]
        ratio = contrast(model.times, *arms).summary(LEVEL)["hazard_ratio"]
        ends = (ratio.mean[-1], ratio.low[-1], ratio.high[-1])
        print(
            f"{backend}, {deviation}: {mean.mean:.3f} ({mean.low:.3f} to {mean.high:.3f}); "
            f"hazard ratio of fin {ends[0]:.2f} ({ends[1]:.2f} to {ends[2]:.2f}); "
            f"{model.convergence}",
            flush=True,
        )


def inside(interval: object, truth: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where the interval holds the truth."""
    return (interval.low <= truth) & (truth <= interval.high)  # type: ignore[attr-defined]


def hazard_ratio(truth: CoxTruth, months: NDArray[np.int64]) -> float:
    """Return the true marginal hazard ratio of `fin` over all months, as BART's is defined."""
    hazards = []
    for fin in (0.0, 1.0):
        survival = np.column_stack([np.ones(len(truth.features)), truth.survival(fin)[:, months]])
        hazards.append((1 - survival[:, 1:] / survival[:, :-1]).mean())
    return float(hazards[1] / hazards[0])


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return coverage in %, with its standard error over the replicates, and mean widths."""
    groups = rows.groupby(["features", "backend", "leaf_deviation"])
    table = groups.size().rename("replicates").to_frame()
    for name in ("mean_week52_covered", "mean_covered", "subjects_covered", "fin_covered"):
        share, error = 100 * groups[name].mean(), 100 * groups[name].sem()
        table[name] = [f"{a:.1f} ± {b:.1f}" for a, b in zip(share, error, strict=True)]
    for name in ("mean_week52_width", "subjects_week52_width", "mean_week52_error"):
        table[name] = groups[name].mean().round(4)
    table["ess_median"] = groups["ess_median"].median().round(0)
    table["cpu_seconds"] = groups["cpu_seconds"].mean().round(1)
    return table.reset_index()


if __name__ == "__main__":
    main()

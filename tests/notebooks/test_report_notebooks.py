"""The notebooks on runs show what the records hold, from fresh kernels."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from survkit.train import main as train
from tests.notebooks.execution import execute, read_notebook

# ipykernel, zmq and asyncio warn of each other.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

PURITY, NMI, ARI = "purity\u00a0↑", "nmi\u00a0↑", "ari\u00a0↑"
LOSS, CONCORDANCE = "loss\u00a0↓", "concordance\u00a0↑"


def records(log_dir: Path, group: str, model: str) -> list[Path]:
    """Folders of a model's runs, by seed."""
    found = []
    for path in (log_dir / group).glob("*/result.json"):
        run = json.loads(path.read_text())
        if run["model"] == model:
            found.append((run["seed"], path.parent))
    return [folder for _, folder in sorted(found)]


def results(folders: list[Path]) -> list[dict]:
    return [json.loads((folder / "result.json").read_text()) for folder in folders]


def predictions(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "predictions_test.npz") as archive:
        return dict(archive)


def groups(folder: Path) -> np.ndarray:
    return predictions(folder)["expert_weights"].argmax(axis=1)


def unrouted(folder: Path) -> str:
    experts = predictions(folder)["expert_weights"].shape[1]
    absent = sorted(set(range(experts)) - set(groups(folder)))
    return ", ".join(str(expert + 1) for expert in absent) or "none"


def mean_text(values: list[float], digits: int) -> str:
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


def test_the_table_of_metrics(log_dir: Path) -> None:
    shown = execute(
        "metrics_table",
        SURVKIT_LOG_DIR=str(log_dir),
        SURVKIT_GROUP="digits_small routing_small support2_mixture",
    )
    assert f"No finished run in {log_dir / 'support2_mixture'}." in shown.printed
    assert "python -m survkit.grid_search --group support2_mixture" in shown.printed
    means = {row[""]: row for row in shown.table("Test metrics (digits)")}
    recorded = [run["test"] for run in results(records(log_dir, "digits_small", "fixed_moe"))]
    assert means[CONCORDANCE]["fixed_moe"] == mean_text(
        [100 * test["concordance"] for test in recorded], 2
    )
    assert means["brier_true@50\u00a0↓"]["fixed_moe"] == mean_text(
        [100 * test["brier_true@50"] for test in recorded], 2
    )
    assert list(means["runs"].values())[1:] == ["2"] * 4
    differences = {row[""]: row for row in shown.table("Difference to mtlr (digits)")}
    assert " to " in differences[LOSS]["personalized_moe"]
    assert len(shown.table("Best model by each metric (digits)")) == len(differences)
    assert {row[""] for row in shown.table("Test metrics (gbsg2)")} >= {LOSS, CONCORDANCE}
    assert shown.printed.count(r"\begin{tabular}") == 4  # one model alone has no differences


def test_the_number_of_experts(log_dir: Path) -> None:
    shown = execute(
        "expert_sensitivity", SURVKIT_LOG_DIR=str(log_dir), SURVKIT_GROUP="experts_small"
    )
    assert shown.printed == ""
    assert shown.figures == 1
    of_fixed_moe, _ = shown.tables("Test metrics (synthetic)")
    means = {row[""]: row for row in of_fixed_moe}
    for experts in (2, 4):
        recorded = [
            run["test"]["loss"]
            for run in results(records(log_dir, "experts_small", "fixed_moe"))
            if len(run["test"]["expert_load"]) == experts
        ]
        name = f"fixed_moe mixture_components={experts}"
        assert means[LOSS][name] == mean_text(recorded, 3)


@pytest.mark.parametrize(
    ("name", "figures"),
    [("mnist_synthetic_clustering_fixed", 3), ("mnist_synthetic_clustering_personalized", 3)],
)
def test_clustering(log_dir: Path, name: str, figures: int) -> None:
    shown = execute(name, SURVKIT_LOG_DIR=str(log_dir), SURVKIT_GROUP="digits_small")
    assert shown.printed == ""
    assert shown.figures == figures
    against_labels = {row["model"]: row for row in shown.table("Experts against labels")}
    assert list(against_labels) == ["fixed_moe", "adjustable_moe", "personalized_moe"]
    rows = shown.table("Experts to which no test subject is routed")
    for model, row in against_labels.items():
        folders = records(log_dir, "digits_small", model)
        labels = [predictions(folder)["label"] for folder in folders]
        pairs = list(zip(labels, map(groups, folders), strict=True))
        assert row[ARI] == mean_text([adjusted_rand_score(*pair) for pair in pairs], 3)
        assert row[NMI] == mean_text([normalized_mutual_info_score(*pair) for pair in pairs], 3)
        assert row[PURITY] == mean_text([100 * purity(*pair) for pair in pairs], 2)
        shown_unrouted = [r["experts without subjects"] for r in rows if r["model"] == model]
        assert shown_unrouted == list(map(unrouted, folders))


def purity(label: np.ndarray, group: np.ndarray) -> float:
    return sum(np.bincount(label[group == g]).max() for g in np.unique(group)) / len(label)


def test_routing(log_dir: Path) -> None:
    check_routing(log_dir, "routing_small")


def test_routing_on_support2(real_data_dir: Path, tmp_path: Path) -> None:
    for seed in ("42", "43"):
        words = "--dataset support2 --model personalized_moe --mixture_components 8 --epochs 1"
        words += f" --lr 5e-3 --bootstrap 20 --mode disabled --group real --seed {seed}"
        words += f" --data_dir {real_data_dir} --log_dir {tmp_path}"
        assert train(words.split()) == 0
    check_routing(tmp_path, "real")


def check_routing(log_dir: Path, group: str) -> None:
    (cell,) = [
        cell.source
        for cell in read_notebook("support2_routing_analysis").cells
        if cell.source.startswith("kaplan_meier_by_expert(")
    ]
    lines = "{line.get_label(): [list(x) for x in line.get_data()] for line in axes.lines}"
    shown = execute(
        "support2_routing_analysis",
        then=f"import json\naxes = {cell}\nprint(json.dumps({lines}, default=float))",
        SURVKIT_LOG_DIR=str(log_dir),
        SURVKIT_GROUP=group,
    )
    folders = records(log_dir, group, "personalized_moe")
    check_curves(json.loads(shown.printed), folders[0])
    index = [adjusted_rand_score(groups(a), groups(b)) for a, b in combinations(folders, 2)]
    (row,) = shown.table("Adjusted Rand index between the groups of two seeds")
    assert row["pairs of seeds"] == str(len(index))
    assert row["mean"] == f"{np.mean(index):.3f}"
    assert row["least"] == f"{min(index):.3f}"
    matrix = shown.table("Adjusted Rand index of personalized_moe, seed by seed")
    assert matrix[0]["43"] == f"{index[0]:.3f}"
    rows = shown.table("Experts to which no test subject is routed")
    assert [row["experts without subjects"] for row in rows] == list(map(unrouted, folders))
    profile = {row["expert"]: int(row["subjects"]) for row in shown.table("The subjects of each")}
    assert profile == {str(e + 1): n for e, n in enumerate(np.bincount(groups(folders[0]))) if n}
    assert shown.figures == 4  # the additional cell draws one of the three again


def check_curves(drawn: dict[str, list[list[float]]], folder: Path) -> None:
    """Compare the drawn curves with lifelines' Kaplan-Meier estimates of the events."""
    recorded, chosen = predictions(folder), groups(folder)
    for expert in np.unique(chosen):
        own = chosen == expert
        (name,) = [name for name in drawn if name.startswith(f"expert {expert + 1} (")]
        times, survival = drawn[name]
        events = int(recorded["event"][own].sum())
        assert f"n = {own.sum()}, {events} events" in name
        curve = KaplanMeierFitter().fit(recorded["time"][own], recorded["event"][own])
        np.testing.assert_allclose(survival, curve.predict(times), atol=1e-9)


def test_without_runs_a_notebook_ends_with_what_to_run(tmp_path: Path) -> None:
    shown = execute("metrics_table", may_end=True, SURVKIT_LOG_DIR=str(tmp_path))
    assert shown.error.count("No finished run in") == 3
    assert "In the project's folder, this makes such runs:" in shown.error
    assert f"survkit.grid_search --group mnist_mixture --log_dir {tmp_path}" in shown.error
    assert len(shown.error.splitlines()) == 7

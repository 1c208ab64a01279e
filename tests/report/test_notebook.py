from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes

from survkit.report import load_runs
from survkit.report.expert_figures import expert_load_bars
from survkit.report.material import gather
from survkit.report.notebook import (
    NothingToShowError,
    find_dataset,
    find_groups,
    find_runs,
    metric_tables,
    panels,
)
from survkit.train import main as train
from survkit.types import InputError


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_runs_are_found_as_they_are(log_dir: Path) -> None:
    runs = find_runs(log_dir, "some", models=["mtlr", "personalized_moe"])
    assert runs.equals(load_runs(log_dir, "some"))


def test_without_runs_the_command_that_makes_them_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    with pytest.raises(NothingToShowError) as caught:
        find_runs("../logs", "mnist_mixture")
    assert caught.value._render_traceback_() == [str(caught.value)]
    assert str(caught.value).splitlines() == [
        f"No finished run in {Path('../logs/mnist_mixture')}. In the project's folder, this makes "
        "such runs:",
        f"    python -m survkit.grid_search --group mnist_mixture --log_dir {tmp_path / 'logs'}",
        "The environment variables SURVKIT_LOG_DIR and SURVKIT_GROUP name other runs.",
    ]


def test_runs_must_be_such_as_a_notebook_needs(log_dir: Path) -> None:
    with pytest.raises(NothingToShowError, match=r"needs runs of rsf, .* are of mtlr, personal"):
        find_runs(log_dir, "some", models=["mtlr", "rsf"])
    with pytest.raises(NothingToShowError, match=r"needs data with known labels .* on synthetic"):
        find_runs(log_dir, "some", labelled=True)


def test_groups_without_runs_are_named(log_dir: Path) -> None:
    found, sentences = find_groups(log_dir, ["some", "none"])
    assert list(found) == ["some"]
    assert [sentence.splitlines()[0] for sentence in sentences] == [
        f"No finished run in {log_dir / 'none'}. In the project's folder, this makes such runs:"
    ]
    with pytest.raises(NothingToShowError) as caught:
        find_groups(log_dir, ["none", "other"])
    assert [line[:6] for line in str(caught.value).splitlines()] == [
        "No fin",
        "    py",
        "No fin",
        "    py",
        "The en",
    ]


def test_data_that_are_not_at_hand_are_told(log_dir: Path, tmp_path: Path) -> None:
    run = Path(load_runs(log_dir)["path"].iloc[0])
    assert find_dataset(run, "elsewhere").name == "synthetic"
    shutil.copy(run / "result.json", tmp_path)
    with pytest.raises(NothingToShowError, match=r"cannot be read: .*config.json is missing"):
        find_dataset(tmp_path)


def test_tables_have_a_row_a_metric_and_a_column_a_model(log_dir: Path) -> None:
    material = gather(load_runs(log_dir, "some"), metrics=("loss", "ece"), resamples=50)
    means, differences, best = metric_tables(material, log_dir / "some")
    assert means.caption == "Test metrics (synthetic)"
    assert means.text.index.tolist() == ["runs", "loss\u00a0↓", "ece\u00a0↓", "seconds"]
    assert [name.split(" ")[0] for name in means.text] == ["mtlr", "personalized_moe"]
    assert differences.text.shape == (2, 1)
    assert differences.bold.shape == (2, 1)
    assert best.text.index.name == "metric"
    assert any("seeds missing" in note for note in means.notes)


def test_too_many_resamples_are_refused(log_dir: Path) -> None:
    runs = load_runs(log_dir, "some")
    with pytest.raises(InputError, match=r"take about [\d,]+ hours, more than 48"):
        gather(runs, metrics=("loss",), resamples=10**12)


@pytest.mark.slow
def test_known_leaks_stand_below_the_first_table(tmp_path: Path) -> None:
    words = "--dataset flchain --model coxph --group leaks --bootstrap 0 --mode disabled"
    assert train([*words.split(), "--log_dir", str(tmp_path)]) == 0
    material = gather(load_runs(tmp_path, "leaks"), metrics=("concordance",), resamples=0)
    (means,) = metric_tables(material, tmp_path / "leaks")
    assert any(note.startswith("Known leak of the data: ") for note in means.notes)


def test_panels_stand_side_by_side() -> None:
    def line(length: float, *, axes: Axes) -> None:
        axes.plot([0, length], [0, 1])

    drawn = panels(
        {f"panel {n}": partial(line, n) for n in range(1, 6)}, columns=2, title="all", width=3
    )
    figure = drawn[0].get_figure()
    assert [axes.get_title() for axes in drawn] == [f"panel {n}" for n in range(1, 6)]
    assert figure.get_suptitle() == "all"
    assert len(figure.axes) == 5
    assert figure.get_size_inches()[0] == 6
    assert len({axes.get_xlim() for axes in drawn}) == 5
    same = panels({f"{n}": partial(line, n) for n in (1, 5)}, same_scale=True)
    assert same[0].get_xlim()[1] == same[1].get_xlim()[1] >= 5


def test_one_panel_takes_the_figure() -> None:
    (axes,) = panels({"load": partial(expert_load_bars, np.full((3, 2), 0.5))})
    assert axes.get_xlabel() == "expert"

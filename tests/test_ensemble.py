from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

import survkit
from survkit.datasets import load_dataset
from survkit.ensemble.__main__ import main
from survkit.ensemble.selection import SHRINKAGE, _shrinkage, _Squares, select_models
from survkit.metrics import evaluate
from survkit.predict.__main__ import main as predict
from survkit.report.__main__ import main as report
from survkit.runs.read import load_fitted, read_predictions
from survkit.runs.record_files import read_config
from survkit.runs.table import load_runs
from survkit.train import main as train
from survkit.types import InputError, SurvivalPrediction
from tests.args_files import FOLDER
from tests.runs.records import change, result_of

pytestmark = pytest.mark.slow

ROOT = Path(survkit.__file__).parent.parent
SMALL = [
    *("--experiment_args", str(FOLDER / "small_gbsg2.args")),
    *("--dataset", "gbsg2", "--time_bins", "12", "--bootstrap", "20", "--group", "some"),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of three models; two have two seeds."""
    logs = tmp_path_factory.mktemp("logs")
    for flags in ("mtlr 42", "mtlr 43", "fixed_moe 42", "fixed_moe 43", "coxph 42"):
        model, seed = flags.split()
        add_run(logs, "--model", model, "--seed", seed)
    return logs


@pytest.fixture
def logs(runs: Path, tmp_path: Path) -> Path:
    """Those runs, for one test to add to."""
    return Path(shutil.copytree(runs, tmp_path / "logs"))


@pytest.fixture(scope="module")
def ensembles(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those runs and an ensemble of each model, for tests that only read."""
    logs = Path(shutil.copytree(runs, tmp_path_factory.mktemp("ensembles") / "logs"))
    assert main([*flags(logs), "--models", "mtlr", "fixed_moe"]) == 0
    return logs


def add_run(logs: Path, *more: str) -> None:
    assert train([*SMALL, "--log_dir", str(logs), *more]) == 0


def flags(logs: Path) -> list[str]:
    return ["--log_dir", str(logs), "--group", "some", "--bootstrap", "20"]


def of_model(logs: Path, model: str) -> list[Path]:
    frame = load_runs(logs, "some")
    return [Path(path) for path in frame.loc[frame["model"] == model, "path"]]


def result(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return record


def test_an_ensemble_is_a_record_like_any_other(ensembles: Path) -> None:
    (folder,) = of_model(ensembles, "mtlr_ensemble")
    members = of_model(ensembles, "mtlr")
    of_a_run = {path.name for path in members[0].iterdir()}
    assert {path.name for path in folder.iterdir()} == of_a_run - {"history.jsonl"}
    record = result(folder)
    assert set(result(members[0])) - {"seeds_together"} < set(record)
    assert record["run_id"] == folder.name
    assert record["seed"] is None
    assert record["members"] == [path.name for path in members]
    assert record["member_weights"] == [0.5, 0.5]
    assert record["num_parameters"] == 2 * result(members[0])["num_parameters"]
    begin = f"member {members[0].name} did not converge: training ended at --epochs 3"
    assert any(warning.startswith(begin) for warning in record["warnings"])
    config = json.loads((folder / "config.json").read_text())
    assert config["hidden_dim"] == 8
    assert config["seeds"] == [42, 43]
    assert config["command"][:3] == ["python", "-m", "survkit.ensemble"]
    card = (folder / "model_card.md").read_text()
    assert "# Model card: mtlr_ensemble on gbsg2" in card
    assert "| `--hidden_dim` | 8 |" in card
    assert all(f"| {path.name} | mtlr |" in card for path in members)
    draft = (folder / "tripod_ai.md").read_text()
    assert "The weighted mean of the survival curves of 2 runs, each `mtlr`, a neural" in draft
    assert "Seeds of the random numbers of the fit: 42, 43." in draft
    assert all(f"| {path.name} | 0.5 |" in draft for path in members)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_it_predicts_the_mean_of_its_members_and_is_scored_like_them(
    split: str, ensembles: Path
) -> None:
    (folder,) = of_model(ensembles, "fixed_moe_ensemble")
    curves = [read_predictions(run, split)[0].survival for run in of_model(ensembles, "fixed_moe")]
    prediction, outcomes = read_predictions(folder, split)
    np.testing.assert_allclose(prediction.survival, np.mean(curves, axis=0), rtol=1e-12)
    dataset = load_dataset("gbsg2", data_dir="", time_bins=12)
    rows = dataset.splits.train
    score = partial(evaluate, train_time=rows.time, train_event=rows.event, grid=dataset.grid)
    score = partial(score, min_at_risk=read_config(folder)["min_at_risk"])
    expected = score(prediction, outcomes, bootstrap=20 if split == "test" else 0)
    record = result(folder)
    recorded = {name: np.nan if v is None else v for name, v in record[split].items()}
    assert recorded == pytest.approx(expected.values, nan_ok=True)
    if split == "test":
        low, high = record["test_interval"]["concordance"]
        assert (low, high) == pytest.approx(expected.intervals["concordance"])


def test_its_checkpoint_predicts_the_same_bits_in_a_fresh_process(
    ensembles: Path, tmp_path: Path
) -> None:
    (folder,) = of_model(ensembles, "mtlr_ensemble")
    script = """
import sys, numpy as np
from survkit.datasets import load_dataset
from survkit.runs.read import load_fitted
test = load_dataset("gbsg2", data_dir="", time_bins=12).splits.test
np.save(sys.argv[2], load_fitted(sys.argv[1]).model.predict(test.features).survival)
"""
    survival = tmp_path / "survival.npy"
    subprocess.run(
        [sys.executable, "-c", script, str(folder), str(survival)],
        check=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    np.testing.assert_array_equal(np.load(survival), read_predictions(folder, "test")[0].survival)


def test_a_second_call_finds_it_complete(
    ensembles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder,) = of_model(ensembles, "mtlr_ensemble")
    before = (folder / "result.json").stat().st_mtime_ns
    assert main([*flags(ensembles), "--models", "mtlr"]) == 0
    assert f"{folder} is complete; --overwrite makes it again" in capsys.readouterr().out
    assert (folder / "result.json").stat().st_mtime_ns == before
    assert len(of_model(ensembles, "mtlr_ensemble")) == 1


def test_it_predicts_for_new_patients(ensembles: Path, tmp_path: Path) -> None:
    from sksurv.datasets import load_gbsg2

    (folder,) = of_model(ensembles, "fixed_moe_ensemble")
    patients, _ = load_gbsg2()
    patients.head(5).to_csv(tmp_path / "patients.csv", index=False)
    source = ["--run", str(folder), "--csv", str(tmp_path / "patients.csv")]
    assert predict([*source, "--times", "365"]) == 0
    lines = (tmp_path / "patients_predictions.csv").read_text().splitlines()
    assert lines[0] == "row,survival_365,median"
    assert len(lines) == 6


def test_a_group_is_combined_as_far_as_it_makes_sense(
    logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_run(logs, "--model", "mtlr", "--seed", "44", "--calibrate")
    add_run(logs, "--model", "adjustable_moe", "--time_bins", "12")
    assert main(flags(logs)) == 0
    frame = load_runs(logs, "some")
    made = frame.loc[frame["seed"].isna(), "model"]
    assert sorted(made) == ["fixed_moe_ensemble", "mtlr_ensemble"]
    printed = capsys.readouterr().err
    assert "coxph: every seed gives the same model" in printed
    assert "adjustable_moe: one finished run, seed 42; an ensemble needs two" in printed
    assert "(mtlr, seed 44) is calibrated itself" in printed


def test_unfinished_runs_are_named_and_the_finished_ones_used(
    logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_run(logs, "--model", "mtlr", "--seed", "44")
    (unfinished,) = (p for p in of_model(logs, "mtlr") if result(p)["seed"] == 44)
    (unfinished / "result.json").unlink()
    add_run(logs, "--model", "fixed_moe", "--seed", "45")
    add_run(logs, "--model", "adjustable_moe")
    (other,) = of_model(logs, "adjustable_moe")
    (other / "result.json").unlink()
    assert main(flags(logs)) == 0
    left_out = f"left out: run {other.name} (adjustable_moe seed=42) is unfinished (3 epochs)"
    assert left_out in capsys.readouterr().err
    (folder,) = of_model(logs, "mtlr_ensemble")
    warnings = " ".join(result(folder)["warnings"])
    assert f"run {unfinished.name} (mtlr seed=44) is unfinished (3 epochs)" in warnings
    assert "mtlr: no run with seed 45, which other models have" in warnings
    assert len(result(folder)["members"]) == 2


def test_an_ensemble_has_converged_where_every_member_has(logs: Path) -> None:
    """The record of an earlier version does not say so; its epochs still tell."""
    first, second = of_model(logs, "mtlr")
    shown = {"converged": False, "convergence_reason": "because"}
    change(first, result_of(first) | shown)
    change(second, {k: v for k, v in result_of(second).items() if not k.startswith("converge")})
    assert main([*flags(logs), "--models", "mtlr"]) == 0
    (folder,) = of_model(logs, "mtlr_ensemble")
    record = result(folder)
    assert record["converged"] is False
    begin = "2 of 2 members did not converge: because; training ended at --epochs 3"
    assert record["convergence_reason"].startswith(begin)
    assert record["convergence_reason"] in (folder / "model_card.md").read_text()
    assert load_fitted(folder).model.fit_summary.converged is False


def test_models_are_chosen_on_the_validation_split(logs: Path) -> None:
    assert main([*flags(logs), "--select", "--models", "mtlr", "fixed_moe"]) == 0
    (folder,) = of_model(logs, "selected_ensemble")
    record = result(folder)
    chosen = {row["model"]: row for row in record["selection"]}
    assert sum(row["weight"] for row in chosen.values()) == pytest.approx(1)
    alone = min(row["integrated_brier"] for row in chosen.values())
    assert record["validation"]["integrated_brier"] <= alone + 1e-12
    assert "Chosen on the validation split by integrated_brier" in record["notes"][-1]
    assert "not those of unseen data" in record["notes"][-1]
    weights = dict(zip(record["members"], record["member_weights"], strict=True))
    curves = [
        w * read_predictions(logs / "some" / m, "test")[0].survival for m, w in weights.items()
    ]
    survival = read_predictions(folder, "test")[0].survival
    np.testing.assert_allclose(survival, np.sum(curves, axis=0), rtol=1e-12)


def test_weights_lower_the_integrated_brier_score() -> None:
    dataset = load_dataset("gbsg2", data_dir="", time_bins=12)
    rows, validation = dataset.splits.train, dataset.splits.validation
    score = partial(
        evaluate,
        data=validation,
        train_time=rows.time,
        train_event=rows.event,
        grid=dataset.grid,
        bootstrap=0,
        null_draws=0,
    )
    rng = np.random.default_rng(0)
    predictions = {
        name: SurvivalPrediction(
            dataset.grid.cuts,
            np.exp(-rng.uniform(low, high, (len(validation), 1)) * dataset.grid.cuts / 2000),
        )
        for name, low, high in (("fast", 0.5, 3), ("slow", 0.1, 0.6), ("middle", 0.3, 1.5))
    }
    found = select_models(predictions, validation, train=rows, grid=dataset.grid)
    for name, prediction in predictions.items():
        expected = score(prediction).values["integrated_brier"]
        assert found.alone[name] == pytest.approx(expected, rel=1e-12)
    mixed = sum(weight * predictions[name].survival for name, weight in found.weights.items())
    expected = score(SurvivalPrediction(dataset.grid.cuts, mixed)).values["integrated_brier"]
    assert found.value == pytest.approx(expected, rel=1e-12)
    assert found.value < min(found.alone.values())
    same = select_models(
        {"a": predictions["fast"], "b": predictions["fast"]},
        validation,
        train=rows,
        grid=dataset.grid,
    )
    assert same.weights == pytest.approx({"a": 0.5, "b": 0.5})


@pytest.mark.parametrize("shrinkage", [0.0, 0.01])
def test_weights_are_those_of_the_least_penalised_score(shrinkage: float) -> None:
    rng = np.random.default_rng(1)
    happened = rng.random((40, 5)) < 0.4
    curves = np.clip(~happened + rng.normal(0, 0.5, (3, 40, 5)), 0, 1)
    squares = _Squares(curves, happened, rng.uniform(0, 2, (40, 5)) / 5)
    rows = np.arange(40)

    def penalised(weights: NDArray[np.float64]) -> float:
        distance = ((weights - 1 / 3) ** 2).sum()
        return float(squares.scores(rows, weights).mean() + shrinkage * distance)

    found = squares.minimum(rows, shrinkage)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)
    everywhere = [np.array([i, j, 60 - i - j]) / 60 for i in range(61) for j in range(61 - i)]
    best = min(everywhere, key=penalised)
    assert penalised(found) <= penalised(best) + 1e-12
    np.testing.assert_allclose(found, best, atol=1 / 60)


def test_weights_are_drawn_together_within_one_standard_error_of_the_best() -> None:
    rng = np.random.default_rng(2)
    subject = np.repeat(np.arange(24), 5)  # five equal rows each, not to be torn apart
    happened = (rng.random((24, 4)) < 0.5)[subject]
    noise = rng.normal(0, [[[0.5]], [[0.6]], [[0.7]]], (3, 24, 4))[:, subject]
    squares = _Squares(np.clip(~happened + noise, 0, 1), happened, np.full((120, 4), 0.25))
    scores: dict[float, list[float]] = {shrinkage: [] for shrinkage in SHRINKAGE}
    folds = GroupKFold(10, shuffle=True, random_state=0).split(subject, groups=subject)
    held_out_subjects = []
    for kept, held_out in folds:
        held_out_subjects += sorted(set(subject[held_out]))
        for shrinkage in SHRINKAGE:
            weights = squares.minimum(kept, shrinkage)
            each = squares.scores(held_out, weights)
            scores[shrinkage] += [
                each[subject[held_out] == s].sum() for s in sorted(set(subject[held_out]))
            ]
    assert sorted(held_out_subjects) == list(range(24))
    best = min(SHRINKAGE, key=lambda shrinkage: np.mean(scores[shrinkage]))
    allowed = []
    for shrinkage in SHRINKAGE:
        lost = np.subtract(scores[shrinkage], scores[best])
        if lost.mean() <= lost.std(ddof=1) / np.sqrt(24):
            allowed.append(shrinkage)
    assert best < max(allowed) < SHRINKAGE[-1]  # or this example would tell little
    assert _shrinkage(squares, subject) == max(allowed)
    assert _shrinkage(squares, subject % 9) == SHRINKAGE[-1]  # fewer subjects than folds


def test_many_models_that_differ_by_chance_only_weigh_the_same() -> None:
    """Their scores on 60 subjects do not tell them apart."""
    rng = np.random.default_rng(0)
    happened = rng.random((60, 4)) < 0.5
    noisy = np.clip(0.5 + rng.normal(0, 0.2, (5, 60, 4)), 0, 1)
    squares = _Squares(noisy, happened, np.full((60, 4), 0.25))
    assert _shrinkage(squares, np.arange(60)) >= 0.1
    alike = squares.minimum(np.arange(60), _shrinkage(squares, np.arange(60)))
    np.testing.assert_allclose(alike, 0.2, atol=0.05)


def test_a_choice_of_one_run_is_no_ensemble(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = tmp_path / "logs"
    # On the random split's validation rows, networks trained for one epoch are no match for Cox.
    for model in ("coxph", "mtlr --epochs 1 --lr 1e-6", "fixed_moe --epochs 1 --lr 1e-6"):
        add_run(logs, "--no_stratified_split", "--model", *model.split())
    before = set((logs / "some").iterdir())
    assert main([*flags(logs), "--select"]) == 2
    assert "prefers coxph alone, of which there is one run" in capsys.readouterr().err
    assert set((logs / "some").iterdir()) == before


def test_calibration_after_averaging_is_recorded(
    logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*flags(logs), "--models", "mtlr", "--calibrate"]) == 0
    (folder,) = of_model(logs, "mtlr_ensemble")
    record = result(folder)
    assert set(record["calibration"]) >= {"applied", "intercept", "slope", "gain", "gain_error"}
    assert "Post-hoc calibration on the validation split" in record["notes"][-1]
    assert record["notes"][-1] in capsys.readouterr().out
    assert record["notes"][-1] in (folder / "model_card.md").read_text()
    draft = (folder / "tripod_ai.md").read_text()
    assert draft.count(record["notes"][-1]) == 2  # how the model was made, and its calibration
    assert "The validation rows also gave the calibration map (12c)." in draft
    test = load_dataset("gbsg2", data_dir="", time_bins=12).splits.test
    survival = load_fitted(folder).model.predict(test.features).survival
    np.testing.assert_array_equal(survival, read_predictions(folder, "test")[0].survival)


def test_a_calibrated_run_predicts_and_names_similar_patients(tmp_path: Path) -> None:
    from sksurv.datasets import load_gbsg2

    add_run(tmp_path, "--model", "mtlr", "--calibrate")
    (folder,) = of_model(tmp_path, "mtlr")
    assert "Post-hoc calibration" in result(folder)["notes"][-1]
    load_gbsg2()[0].head(3).to_csv(tmp_path / "patients.csv", index=False)
    source = ["--run", str(folder), "--csv", str(tmp_path / "patients.csv")]
    assert predict([*source, "--times", "365"]) == 0
    assert "similar_1_row" in (tmp_path / "patients_predictions.csv").read_text()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--time_bins", "10"), r"the runs differ in time_bins \(10, 12\)"),
        (("--evaluation", "published"), r"the runs differ in evaluation \(published, standard\)"),
        (("--dataset", "whas500"), r"the runs differ in dataset \(gbsg2, whas500\)"),
        (("--point_error", "squared"), r"the runs differ in point_error \(absolute, squared\)"),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(
    more: tuple[str, ...], message: str, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_run(logs, "--model", "mtlr", "--seed", "44", *more)
    before = set((logs / "some").iterdir())
    assert main([*flags(logs), "--models", "mtlr"]) == 2

    assert re.search(message, capsys.readouterr().err)
    assert set((logs / "some").iterdir()) == before


def test_published_baselines_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in ("42", "43"):
        add_run(tmp_path, "--model", "coxph", "--evaluation", "published", "--seed", seed)
    assert main(flags(tmp_path)) == 2
    assert "renormalises what a baseline predicts" in capsys.readouterr().err


def test_a_damaged_checkpoint_leaves_no_ensemble_of_two(
    logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = of_model(logs, "mtlr")[1] / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    before = set((logs / "some").iterdir())
    assert main([*flags(logs), "--models", "mtlr"]) == 2
    assert "is damaged" in capsys.readouterr().err
    assert set((logs / "some").iterdir()) == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--models", "coxph"), "there is nothing to combine: coxph: every seed"),
        (("--models", "rsf"), "names rsf, of which there is no finished run"),
        (("--models", "mtl"), "unknown model 'mtl' (did you mean mtlr?)"),
        (("--models", "mtlr", "mtlr"), "names a model twice"),
        (("--models", "mtlr", "--select"), "mtlr is the only one"),
        (("--bootstrap", "1000000000"), "--bootstrap is 1000000000; it must be at most 1000000"),
        (("--group", "none"), "no finished run in"),
    ],
)
def test_what_cannot_be_combined_is_explained(
    more: tuple[str, ...], message: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*flags(runs), *more]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert "Traceback" not in printed


def test_the_group_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "--group is needed" in capsys.readouterr().err


def test_help_answers_without_loading_anything_heavy() -> None:
    script = (
        "import sys, survkit.ensemble.__main__ as e; e.main(['--bootstrap', 'x']); "
        "print([m for m in ('torch', 'pandas', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_undefined_scores_choose_nothing() -> None:
    dataset = load_dataset("gbsg2", data_dir="", time_bins=12)
    rows = dataset.splits.train
    early = rows.subset(np.flatnonzero(~rows.event & (rows.time < dataset.grid.cuts[3]))[:20])
    prediction = SurvivalPrediction(dataset.grid.cuts, np.full((len(early), 12), 0.5))
    with pytest.raises(InputError, match="integrated_brier is undefined"):
        select_models({"a": prediction}, early, train=rows, grid=dataset.grid)


def test_the_commands_of_the_documentation_work(logs: Path) -> None:
    (best_alone,) = of_model(logs, "coxph")
    shutil.rmtree(best_alone)
    text = (ROOT / "docs" / "ensembles.md").read_text()
    commands = re.findall(r"^python -m survkit\.ensemble (.*)$", text, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        words = [str(logs) if word == "logs" else word for word in command.split()]
        assert main([*words, "--bootstrap", "20"]) == 0


def test_it_combines_runs_on_a_table_of_ones_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [
        f"{rng.normal():.3f};{rng.choice(['a', 'b'])};{rng.exponential(9):.2f};{rng.choice([0, 1])}"
        for _ in range(120)
    ]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["x;kind;time;event", *lines]))
    # How a file is read and what its times are called may differ from run to run.
    for seed, more in ((1, []), (2, ["--time_unit", "months", "--csv_separator", ";"])):
        words = f"--dataset csv --time_column time --event_column event --model mtlr --seed {seed}"
        small = "--hidden_dim 4 --epochs 2 --bootstrap 20 --group some --mode disabled"
        own = ["--csv_path", str(table), "--log_dir", str(tmp_path), *more]
        assert train([*words.split(), *small.split(), *own]) == 0
    assert main(flags(tmp_path)) == 0
    assert report(["--log_dir", str(tmp_path), "--group", "some", "--bootstrap", "20"]) == 0
    (folder,) = of_model(tmp_path, "mtlr_ensemble")
    assert "Members" in (folder / "model_card.md").read_text()


def test_ensembles_of_earlier_records_stand_beside_them(logs: Path) -> None:
    for path in logs.glob("some/*/config.json"):
        config = json.loads(path.read_text())
        del config["min_at_risk"], config["evaluation_times"]
        change(path.parent, config=config)
    assert main([*flags(logs), "--models", "mtlr"]) == 0
    assert report(["--log_dir", str(logs), "--group", "some", "--bootstrap", "20"]) == 0

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sksurv.nonparametric import kaplan_meier_estimator

from survkit.report import load_runs
from survkit.report.__main__ import main
from survkit.report.calibration_figures import calibration_curves
from survkit.report.figures import survival_curves
from survkit.report.tables import comparison_table
from survkit.runs.metric_text import result_summary
from survkit.types import InputError, SurvivalPrediction
from tests.runs.records import change, result_of


def test_runs_are_rows_sorted_by_model_and_seed(log_dir: Path) -> None:
    runs = load_runs(log_dir)
    assert runs["model"].tolist() == ["mtlr", "personalized_moe", "personalized_moe"]
    assert runs["seed"].tolist() == [42, 42, 43]
    assert runs["test_concordance"].between(0, 1).all()
    assert (runs["timing_total_seconds"] > 0).all()
    assert Path(runs["path"].iloc[0], "result.json").exists()
    assert load_runs(str(log_dir), "some").equals(runs)


def test_records_from_before_a_field_make_a_table(log_dir: Path, tmp_path: Path) -> None:
    """Runs that differ in nothing but the seed are told by their config.json, then."""
    shutil.copytree(log_dir / "some", tmp_path / "some")
    for path in tmp_path.glob("some/*/result.json"):
        result = result_of(path.parent)
        del result["configuration"]
        path.write_text(json.dumps(result))
    old, new = load_runs(tmp_path), load_runs(log_dir)
    assert old["configuration"].tolist() == new["configuration"].tolist()
    for path in tmp_path.glob("some/*/config.json"):
        path.unlink()
    assert load_runs(tmp_path)["configuration"].nunique() == 3


def test_no_finished_run_is_explained(log_dir: Path) -> None:
    with pytest.raises(InputError, match=r"no finished run in .*other"):
        load_runs(log_dir, "other")


def test_the_table_has_means_in_percent_and_deviations_over_seeds(log_dir: Path) -> None:
    runs = load_runs(log_dir)
    table = comparison_table(runs, metrics=("concordance", "loss"))
    values = runs.loc[runs["model"] == "personalized_moe", "test_concordance"] * 100
    expected = f"{values.mean():.2f} ± {values.std():.2f}"
    assert table.loc["personalized_moe", "concordance"] == expected
    assert "±" not in str(table.loc["mtlr", "concordance"])
    assert float(str(table.loc["mtlr", "loss"])) == pytest.approx(runs["test_loss"][0], abs=0.006)


def test_the_summary_shows_values_intervals_and_reasons() -> None:
    text = result_summary(
        {
            "test": {"loss": 2.5, "concordance": 0.8, "ece": None},
            "test_interval": {"loss": [2.25, 2.75], "concordance": [0.75, 0.85]},
            "test_details": {"ece": {"reason": "no cut can be used"}},
        },
        metrics=("loss", "concordance", "ece"),
    )
    lines = text.splitlines()
    assert lines[1].split() == ["loss", "2.50", "2.25", "to", "2.75"]
    assert lines[2].split() == ["concordance", "80.00", "%", "75.00", "to", "85.00"]
    assert lines[3].split()[:2] == ["ece", "-"]
    assert "no cut can be used" in lines[3]


@pytest.mark.slow
def test_the_command_prints_the_table_and_saves_the_page(
    log_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--log_dir", str(log_dir), "--group", "some"]) == 0
    printed = capsys.readouterr().out
    assert "personalized_moe" in printed
    for name in ("report.html", "comparison.md", "comparison.tex", "comparison.csv"):
        assert f"saved {log_dir / 'some' / name}" in printed
        assert (log_dir / "some" / name).stat().st_size > 500


def test_the_command_explains_bad_input(log_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--log_dir", str(log_dir)]) == 2
    assert "--group is needed" in capsys.readouterr().err
    assert main(["--log_dir", str(log_dir), "--group", "none"]) == 2
    assert "no finished run" in capsys.readouterr().err
    assert main(["--log_dir", str(log_dir), "--group", "some", "--metrics", "expert_load"]) == 2
    assert "unknown metric 'expert_load'" in capsys.readouterr().err
    assert main(["--log_dir", str(log_dir), "--group", "some", "--metrics", "concordnce"]) == 2
    assert "unknown metric 'concordnce' (did you mean concordance?)" in capsys.readouterr().err


def test_runs_under_two_conventions_make_no_table(
    log_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(log_dir / "some", tmp_path / "some")
    run = next(tmp_path.glob("some/*/result.json")).parent
    change(run, {**result_of(run), "evaluation": "published"})
    assert main(["--log_dir", str(tmp_path), "--group", "some"]) == 2
    assert "differ in evaluation (published, standard)" in capsys.readouterr().err


def test_a_damaged_record_is_left_out_with_a_warning(log_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(log_dir / "some", tmp_path / "some")
    next(tmp_path.glob("some/*/result.json")).write_text("{")
    with pytest.warns(UserWarning, match=r"left out: .*result.json is damaged"):
        assert len(load_runs(tmp_path)) == 2


def test_every_model_of_a_figure_is_drawn_in_its_own_way() -> None:
    rate, time, event = outcomes()
    times = np.linspace(0, 3, 31)
    prediction = SurvivalPrediction(times, np.exp(-rate[:, None] * times))
    axes = survival_curves({f"model {i}": prediction for i in range(12)}, time, event)
    drawn = [line for line in axes.lines if str(line.get_label()).startswith("model")]
    assert len({(line.get_color(), line.get_linestyle()) for line in drawn}) == 12
    plt.close(axes.get_figure())


def test_other_numbers_of_the_records_can_be_columns(log_dir: Path) -> None:
    table = comparison_table(load_runs(log_dir), metrics=("peak_memory_mb",))
    assert float(str(table.loc["mtlr", "peak_memory_mb"])) > 50


def outcomes(n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    rate = np.exp(rng.normal(size=n))
    event_time, censoring_time = rng.exponential(1 / rate), rng.uniform(0, 3, n)
    return rate, np.minimum(event_time, censoring_time), event_time <= censoring_time


def test_calibration_points_are_group_means_against_kaplan_meier() -> None:
    rate, time, event = outcomes()
    times = np.linspace(0, 3, 31)
    prediction = SurvivalPrediction(times, np.exp(-rate[:, None] * times))
    axes = calibration_curves({"truth": prediction}, time, event, at=1.0)
    predicted, observed = axes.containers[0][0].get_data()
    riskiest = np.argsort(rate)[-40:]
    km_times, km_survival = kaplan_meier_estimator(event[riskiest], time[riskiest])
    assert len(predicted) == 10
    assert predicted[-1] == pytest.approx(1 - np.exp(-rate[riskiest]).mean())
    assert observed[-1] == pytest.approx(1 - km_survival[km_times <= 1.0][-1])
    assert np.abs(np.asarray(predicted) - np.asarray(observed)).max() < 0.2
    plt.close(axes.get_figure())


def test_a_group_without_follow_up_has_no_observed_probability() -> None:
    """Nobody is followed beyond 1; the second half has all died by then, the first has not."""
    time, event = np.tile([0.5, 1.0], 40), np.repeat([False, True], 40)
    survival = np.where(event, 0.2, 0.8)[:, None] * [1.0, 0.9]
    prediction = SurvivalPrediction(np.array([0.1, 2.0]), survival)
    axes = calibration_curves({"model": prediction}, time, event, at=2.0)
    observed = np.asarray(axes.containers[0][0].get_ydata())
    assert np.isnan(observed[:5]).all()
    np.testing.assert_array_equal(observed[5:], 1.0)
    axes.get_figure().canvas.draw()
    plt.close(axes.get_figure())


def test_survival_curves_draw_on_the_axes_they_are_given() -> None:
    rate, time, event = outcomes()
    times = np.linspace(0, 3, 31)
    prediction = SurvivalPrediction(times, np.exp(-rate[:, None] * times))
    figure, axes = plt.subplots()
    assert survival_curves({"truth": prediction}, time, event, time_unit="years", axes=axes) is axes
    assert axes.get_xlabel() == "time (years), with the number at risk"
    np.testing.assert_allclose(axes.lines[-1].get_ydata(), prediction.survival.mean(axis=0))
    plt.close(figure)


def test_help_loads_no_heavy_package() -> None:
    code = (
        "import sys; from survkit.report.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print({'torch', 'pandas', 'matplotlib', 'sksurv'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.endswith("set()\n")

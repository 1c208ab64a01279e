"""Competing causes through all commands: training, report, prediction, explanation, ensemble."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from survkit.ensemble.__main__ import main as ensemble
from survkit.estimators import GradientBoostingSurvival, MTLRSurvival, XGBAFTSurvival
from survkit.explain.__main__ import main as explain
from survkit.predict.__main__ import main as predict
from survkit.report.__main__ import main as report
from survkit.runs.read import read_predictions
from survkit.train import main as train
from survkit.types import InputError
from tests.models.competing_fixtures import CAUSES, make_competing

WORDS = np.array(["alive", *CAUSES])
TABLE = [
    *("--dataset", "csv", "--time_column", "years", "--event_column", "what"),
    *("--time_unit", "years", "--id_column", "id", "--time_bins", "12", "--bootstrap", "20"),
]
CODED = ["--causes", "relapse=relapse", "death=death", "--censored_values", "alive"]


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = make_competing(400, seed=5)
    assert data.cause is not None
    table = pd.DataFrame(data.features, columns=["a", "b", "c"])
    table.insert(0, "id", np.arange(len(table)))
    path = tmp_path_factory.mktemp("table") / "patients.csv"
    table.assign(years=data.time, what=WORDS[data.cause]).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def group(patients: Path) -> Path:
    """The group's folder, with a Cox regression for each cause and two seeds of MTLR."""
    flags = [*TABLE, *CODED, "--csv_path", str(patients), "--group", "g"]
    logs = ["--log_dir", str(patients.parent / "logs")]
    assert train([*flags, "--model", "coxph", *logs]) == 0
    network = ["--model", "mtlr", "--hidden_dim", "8", "--epochs", "5", "--seeds", "42", "43"]
    assert train([*flags, *network, *logs]) == 0
    return patients.parent / "logs" / "g"


def run_of(group: Path, model: str) -> tuple[Path, dict[str, Any]]:
    for path in sorted(group.glob("*/result.json")):
        result = json.loads(path.read_text())
        if result["model"] == model:
            return path.parent, result
    raise AssertionError(f"no run of {model}")


@pytest.mark.parametrize("model", ["coxph", "mtlr"])
def test_a_record_has_metrics_and_predictions_of_each_cause(group: Path, model: str) -> None:
    path, result = run_of(group, model)
    assert result["cause_names"] == list(CAUSES)
    for cause in CAUSES:
        assert 0.6 < result["test"][f"{cause}/concordance_td"] < 1
        low, high = result["test_interval"][f"{cause}/integrated_brier"]
        assert low < result["test"][f"{cause}/integrated_brier"] < high
    prediction, data = read_predictions(path, "test")
    assert data.cause_names == CAUSES
    assert prediction.cumulative_incidence is not None
    total = prediction.survival + prediction.cumulative_incidence.sum(axis=1)
    np.testing.assert_allclose(total, 1.0, atol=1e-6)
    card = (path / "model_card.md").read_text()
    assert "Events by cause:" in card
    assert "`relapse/integrated_brier`" in card
    draft = (path / "tripod_ai.md").read_text()
    assert "For each cause (`relapse`, `death`), the probability of its event by then." in draft
    counts = [np.sum(data.cause == number) for number in (1, 2)]
    row = [data.num_subjects, len(data), data.event.sum(), *counts, (~data.event).sum()]
    assert f"\n| test | {' | '.join(f'{count:,}' for count in row)} | " in draft
    if model == "coxph":
        assert "Hazard ratios of death" in card
        tables = {each["cause"]: each["hazard_ratios"] for each in result["cause_hazard_ratios"]}
        ratios = {c: {row["feature"]: row for row in rows} for c, rows in tables.items()}
        assert ratios["relapse"]["a"]["low"] > 1.5  # the truth is e
        assert ratios["death"]["b"]["low"] > 1.5
        assert ratios["death"]["a"]["high"] < 1


def test_a_report_shows_each_cause(group: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(["--log_dir", str(group.parent), "--group", "g", "--bootstrap", "20"]) == 0
    page = (group / "report.html").read_text()
    for text in (
        *("Competing causes", "Test metrics, death", "mean cumulative incidences"),
        "Hazard ratios of coxph, relapse",
    ):
        assert text in page
    tidy = pd.read_csv(group / "comparison.csv")
    known = tidy[tidy["metric"] == "death/integrated_brier"]
    assert set(known["model"]) == {"coxph", "mtlr"}
    assert known["difference"].notna().sum() == 1  # of the reference there is none
    lines = capsys.readouterr().out.splitlines()
    assert {"of relapse:", "of death:"} < set(lines)
    assert max(map(len, lines)) < 200


def test_new_patients_get_cumulative_incidences(group: Path, patients: Path) -> None:
    path, _ = run_of(group, "mtlr")
    new = patients.with_name("new.csv")
    pd.read_csv(patients).head(3).drop(columns=["years", "what"]).to_csv(new, index=False)
    flags = ["--run", str(path), "--csv", str(new), "--id_column", "id", "--times", "0.5", "1"]
    assert predict([*flags, "--similar", "1"]) == 0
    table = pd.read_csv(patients.with_name("new_predictions.csv"))
    assert list(table)[1:7] == [
        *("survival_0.5", "survival_1", "cif_relapse_0.5", "cif_relapse_1"),
        *("cif_death_0.5", "cif_death_1"),
    ]
    total = table["survival_1"] + table["cif_relapse_1"] + table["cif_death_1"]
    np.testing.assert_allclose(total, 1.0, atol=1e-6)
    known = pd.read_csv(patients).loc[table["similar_1_row"] - 1, "what"]
    cause = table["similar_1_cause"].fillna("alive")
    assert cause.tolist() == known.tolist()


def test_a_cause_is_explained_by_what_drives_it(
    group: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Feature b raises death alone, and feature a relapse."""
    path, _ = run_of(group, "coxph")
    effects = {}
    for cause in CAUSES:
        flags = ["--run", str(path), "--cause", cause, "--num_repetitions", "2"]
        assert explain([*flags, "--num_samples", "200", "--rows", "0"]) == 0
        assert f"predicted cumulative incidence of {cause}" in capsys.readouterr().out
        table = pd.read_csv(path / "explain" / "explanation.csv").set_index("feature")
        effects[cause] = table["coefficient"]
    assert effects["relapse"]["a"] > 0.5 > 0 > effects["death"]["a"]
    assert effects["death"]["b"] > 0.5
    assert explain(["--run", str(path), "--cause", "deth"]) == 2
    assert "did you mean death?" in capsys.readouterr().err


def test_one_cause_alone_is_no_risk_and_leaves_no_causes_to_explain(
    patients: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    flags = [*TABLE, *CODED, "--csv_path", str(patients), "--cause_of_interest", "relapse"]
    assert train([*flags, "--model", "coxph", "--log_dir", str(tmp_path), "--group", "g"]) == 0
    assert "one minus survival is not the risk of relapse" in capsys.readouterr().err
    path, result = run_of(tmp_path / "g", "coxph")
    assert "cause_names" not in result
    assert explain(["--run", str(path), "--cause", "death"]) == 2
    assert "has no competing causes" in capsys.readouterr().err


def test_an_ensemble_keeps_the_causes(group: Path) -> None:
    assert ensemble(["--log_dir", str(group.parent), "--group", "g", "--bootstrap", "0"]) == 0
    path, result = run_of(group, "mtlr_ensemble")
    assert result["cause_names"] == list(CAUSES)
    assert 0.6 < result["test"]["death/concordance_td"] < 1
    assert read_predictions(path, "test")[0].num_causes == 2


def test_a_model_of_one_cause_is_refused_by_name(
    patients: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    flags = [*TABLE, *CODED, "--csv_path", str(patients), "--log_dir", str(tmp_path)]
    assert train([*flags, "--model", "deepsurv"]) == 2
    message = capsys.readouterr().err
    assert "deepsurv predicts one cause, and the data have 2 competing ones" in message
    assert "--cause_of_interest" in message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "estimator",
    [
        MTLRSurvival(hidden_dim=8, epochs=3),
        GradientBoostingSurvival(n_estimators=10),
        XGBAFTSurvival(n_estimators=10),
    ],
    ids=lambda e: type(e).__name__,
)
def test_estimators_predict_cumulative_incidences(estimator: Any) -> None:
    data = make_competing(200, seed=2)
    y = pd.DataFrame({"event": data.cause, "time": data.time})
    fitted = estimator.fit(data.features, y)
    assert fitted.n_causes_ == 2
    found = fitted.predict_cumulative_incidence(data.features[:4], [1.0, 0.5])
    assert found.shape == (4, 2, 2)
    assert (found[:, :, 0] >= found[:, :, 1]).all()
    survival = fitted.predict_survival_frame(data.features[:4], [1.0, 0.5]).to_numpy()
    np.testing.assert_allclose(survival + found.sum(axis=1), 1.0, atol=1e-6)
    whole = fitted.predict_cumulative_incidence(data.features[:4])
    assert whole.shape == (4, 2, len(fitted.unique_times_))
    assert 0.4 < fitted.score(data.features, y) <= 1
    one_cause = estimator.fit(data.features, y.assign(event=y["event"] == 1))
    with pytest.raises(InputError, match="fitted on events of one cause"):
        one_cause.predict_cumulative_incidence(data.features)
    with pytest.raises(InputError, match=r"values 0, 1, 3; .* but no row has 2"):
        estimator.fit(data.features, y.replace({"event": {2: 3}}))

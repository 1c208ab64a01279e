from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from survkit.metrics.censoring import kaplan_meier
from survkit.models.registry import MODELS
from survkit.runs import tripod_ai
from survkit.runs.record_files import read_result
from survkit.runs.tripod_ai.draft import WRITERS, tripod_draft
from survkit.runs.tripod_ai.items import ITEMS
from survkit.runs.tripod_ai.model_types import FORMS, TYPES, form_of
from survkit.train import main
from tests.runs.test_model_card import content

NUMBERS = [
    *("1", "2", "3a", "3b", "3c", "4", "5a", "5b", "6a", "6b", "6c", "7", "8a", "8b", "8c"),
    *("9a", "9b", "9c", "10", "11", "12a", "12b", "12c", "12d", "12e", "12f", "12g", "13", "14"),
    *("15", "16", "17", "18a", "18b", "18c", "18d", "18e", "18f", "19", "20a", "20b", "20c"),
    *("21", "22", "23a", "23b", "24", "25", "26", "27a", "27b", "27c"),
]
"""The sub-items in table 2 of Collins et al. (2024)."""
ONLY = {
    "D": ["9a", "12a", "12b", "12c", "15", "22", "27a", "27b"],
    "E": ["12f", "12g", "20c", "24"],
}
"""Those that are about development or about evaluation alone."""

FLAGS = ["--bootstrap", "20", "--mode", "disabled"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run on a table with late entry, causes, several rows a subject, missing values."""
    folder = tmp_path_factory.mktemp("tripod")
    random, n = np.random.default_rng(3), 120
    entry = random.uniform(0, 5, n).round(2)
    pd.DataFrame(
        {
            "age": np.where(random.random(n) < 0.2, np.nan, random.normal(60, 9, n).round(1)),
            "sex": random.choice(["f", "m", ""], n),
            "site": random.choice(list("abcdefghij"), n),
            "patient": np.arange(n) // 2,
            "entry": entry,
            "days": (entry + random.exponential(20, n) + 0.1).round(2),
            "status": random.choice(["0", "1", "2"], n),
        }
    ).to_csv(folder / "table.csv", index=False)
    flags = "--time_column days --event_column status --causes 1=relapse 2=death --time_unit days"
    flags += " --entry_column entry --group_column patient --model mtlr --epochs 2 --hidden_dim 4"
    flags += " --dataset csv --time_bins 6 --subgroups sex"
    own = ["--csv_path", str(folder / "table.csv"), "--log_dir", str(folder / "logs")]
    assert main([*flags.split(), *own, *FLAGS]) == 0
    (made,) = folder.glob("logs/*/*/")
    return made


def item(draft: str, number: str) -> str:
    (text,) = re.findall(rf"\n### {number} .*?(?=\n###? |\Z)", draft, flags=re.DOTALL)
    return str(text)


def statuses(draft: str) -> dict[str, str]:
    return dict(re.findall(r"^### (\S+) .*: (filled in|partly|blank)$", draft, flags=re.MULTILINE))


def cells(text: str) -> dict[str, list[str]]:
    """Return the rows of the tables of an item, by their first cells."""
    rows = (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|"))
    return {first: others for first, *others in rows}


def test_the_items_are_those_of_the_checklist() -> None:
    assert [each.number for each in ITEMS] == NUMBERS
    for mark, numbers in ONLY.items():
        assert [each.number for each in ITEMS if each.applies == mark] == numbers
    assert {each.applies for each in ITEMS} == {"D", "E", "D;E"}
    assert set(WRITERS) < set(NUMBERS)
    assert all(each.left for each in ITEMS if each.number not in WRITERS)


def test_every_model_has_a_type_and_says_how_predictors_enter() -> None:
    assert set(TYPES) == set(MODELS)
    assert set(FORMS) == {name for name, entry in MODELS.items() if not entry.network}
    assert all(map(form_of, MODELS))
    assert form_of("selected") == ""


def test_the_draft_beside_the_card_is_that_of_the_record(run: Path) -> None:
    draft = (run / tripod_ai.FILE).read_text()
    assert draft == tripod_draft(*content(run), folder=run)
    assert f"`{tripod_ai.FILE}` beside this card" in (run / "model_card.md").read_text()
    assert tripod_ai.FILE in json.loads((run / "result.json").read_text())["files"]


def test_the_top_counts_what_is_filled_in_and_each_blank_says_what_belongs_there(
    run: Path,
) -> None:
    draft = (run / tripod_ai.FILE).read_text()
    found = statuses(draft)
    assert list(found) == NUMBERS
    by_status = {
        status: [number for number in NUMBERS if found[number] == status]
        for status in ("filled in", "partly", "blank")
    }
    filled, partly, blank = map(len, by_status.values())
    assert f"filled in {filled}, filled in {partly} partly and left {blank} blank" in draft
    assert min(filled, partly, blank) >= 10
    for status, numbers in by_status.items():
        assert f"\n- {status}: {', '.join(numbers)}\n" in draft
    for number, status in found.items():
        assert ("**TO FILL IN:** " in item(draft, number)) == (status != "filled in")
        assert len(item(draft, number).split("\n\n")) > 2  # what is asked, and something below it


def test_numbers_of_the_data_are_those_of_the_table(run: Path) -> None:
    draft = (run / tripod_ai.FILE).read_text()
    dataset, _, _ = content(run)
    assert dataset.rows is not None
    frame = pd.read_csv(run.parents[2] / "table.csv", dtype={"status": str})
    parts = dict(zip(dataset.splits._fields, dataset.rows, strict=True))
    flow, missing, used = (cells(item(draft, number)) for number in ("20a", "11", "12a"))
    compared = cells(item(draft, "20b"))
    for j, (name, rows) in enumerate(parts.items()):
        own = frame.iloc[rows]
        counts = [own["patient"].nunique(), len(own), (own["status"] != "0").sum()]
        counts += [(own["status"] == cause).sum() for cause in "120"]
        observed = (own["days"] - own["entry"]).to_numpy()
        curve = kaplan_meier(observed, (own["status"] == "0").to_numpy())
        median = curve.times[curve.values <= 0.5][0]
        assert flow[name] == [*map(str, counts), f"{median:.4g}", f"{own['days'].max():.4g}"]
        assert used[name][:2] == [str(len(own)), str(counts[2])]
        for column in ("age", "sex"):
            lacking = own[column].isna()
            assert missing[f"`{column}`"][j] == f"{lacking.sum()} ({lacking.mean():.1%})"
        if name != "validation":
            known = own["age"].dropna()
            text = f"{known.mean():.3g} ({known.std():.3g})"
            assert compared["`age`"][j // 2] == text
            share = (own["sex"].dropna() == "f").mean()
            assert compared["`sex`: f"][j // 2] == f"{share:.1%}"
    assert "`site`" not in missing
    fill = frame["age"].iloc[dataset.rows.train].median()
    assert missing["`age`"][-1] == f"{fill:g}"
    shown = [label for label in compared if label.startswith("`site`: ")]
    assert len(shown) == 6
    assert shown[-1] == "`site`: 5 others"
    for j in range(2):
        total = sum(float(compared[label][j].rstrip("%")) for label in shown)
        assert total == pytest.approx(100, abs=0.5)


def test_numbers_of_the_model_are_those_of_the_record(run: Path) -> None:
    draft = (run / tripod_ai.FILE).read_text()
    _, config, result = content(run)
    performance, model = cells(item(draft, "23a")), cells(item(draft, "12c"))
    low, high = (f"{100 * end:.2f} %" for end in result["test_interval"]["concordance"])
    value = f"{100 * result['test']['concordance']:.2f} %"
    assert performance["`concordance`"] == [value, f"{low} to {high}"]
    assert "`relapse/concordance_td`" in performance
    assert model["`--hidden_dim`"] == ["4"]
    assert model["parameters (numbers learned)"] == [f"{result['num_parameters']:,}"]
    assert f"torch {config['package_versions']['torch']}" in item(draft, "12c")
    assert f"**The fit did not converge: {result['convergence_reason']}.**" in item(draft, "12c")
    assert result["data_sha256"] in item(draft, "18e")
    assert config["git_commit"] is None or config["git_commit"] in item(draft, "18f")
    for metric in result["test"]:
        assert f"`{metric}`" in item(draft, "12e")
    measures = item(draft, "12e")
    assert re.search(r"\n- calibration: [^\n]*`relapse/ece_equal_mass`", measures)
    assert re.search(r"\n- discrimination: `concordance`", measures)


def test_subgroups_of_the_record_are_named(run: Path, plain: Path) -> None:
    _, _, result = content(run)
    assert result["subgroups"]
    performance = item((run / tripod_ai.FILE).read_text(), "23a")
    assert "`sex`: " in performance
    assert "TO FILL IN:** whether these are the key subgroups" in performance
    without = item((plain / tripod_ai.FILE).read_text(), "23a")
    assert "TO FILL IN:** performance in key subgroups" in without


def test_several_rows_causes_and_late_entry_are_said(run: Path) -> None:
    draft = (run / tripod_ai.FILE).read_text()
    assert "stratified by the cause of the event, seed 42" in item(draft, "12a")
    assert "All rows of a subject are in the same part." in item(draft, "12a")
    assert "Rows of one subject stay together" in item(draft, "12d")
    assert "60 subjects with 120 rows" in item(draft, "5a")
    assert "`relapse`, `death`" in item(draft, "8a")
    assert "Columns of the table: `status`, `days`, `entry`." in item(draft, "8a")
    assert "at risk from their entry only" in item(draft, "8a")
    assert "follow-up is counted from the entry" in item(draft, "20a")
    assert "Nobody has examined this table for leaks." in item(draft, "7")
    assert "- `patient`: named in --group_column" in item(draft, "7")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run on generated data, which have no table."""
    logs = tmp_path_factory.mktemp("plain")
    flags = "--dataset synthetic --synthetic_rows 200 --model coxph"
    assert main([*flags.split(), *FLAGS, "--log_dir", str(logs)]) == 0
    (made,) = logs.glob("*/*/")
    return made


def test_data_without_a_table(plain: Path) -> None:
    draft = (plain / tripod_ai.FILE).read_text()
    found = statuses(draft)
    assert found["20c"] == "partly"
    assert "no table of them" in item(draft, "20c")
    assert "8 columns of the source" in item(draft, "9a")
    assert "have no missing values" in item(draft, "11")
    assert "The fit uses no random numbers." in item(draft, "12c")
    assert "enters the log hazard linearly" in item(draft, "12b")
    assert "load_fitted" in item(draft, "22")
    assert "`model_card.md` has the hazard ratios." in item(draft, "22")
    assert found["16"] == "filled in"


def redrafted(run: Path, *, settings: dict[str, Any] | None = None, **of_dataset: Any) -> str:
    dataset, config, result = content(run)
    dataset = replace(dataset, **of_dataset)
    return tripod_draft(dataset, {**config, **(settings or {})}, result, folder=run)


def test_test_rows_that_the_source_sets_apart(plain: Path) -> None:
    draft = redrafted(plain, own_test_rows=True)
    assert "The source itself sets the test rows apart." in item(draft, "12a")
    assert statuses(draft)["16"] == "partly"


def test_a_conformal_calibration_is_said(tmp_path: Path) -> None:
    flags = "--dataset gbsg2 --model coxph --conformal csd"
    assert main([*flags.split(), *FLAGS, "--log_dir", str(tmp_path)]) == 0
    (path,) = tmp_path.glob(f"*/*/{tripod_ai.FILE}")
    draft, (dataset, _, result) = path.read_text(), content(path.parent)
    n, rows = result["n_train"], len(dataset.splits.train)
    assert n < rows
    assert f"fitted on {n} of the {rows} training rows: the others are for" in item(draft, "12a")
    assert "- Guaranteed at " in item(draft, "23a")
    assert "lower bound of the time" in item(draft, "15")
    assert "`--conformal`" in item(draft, "12c")


def test_folds_are_described(plain: Path) -> None:
    dataset, _, _ = content(plain)
    folds = dataset.split._replace(kind="folds", folds=4, fold=1, inner_folds=3)
    text = item(redrafted(plain, split=folds), "12a")
    assert "part 2 of 4 equal parts has the test rows" in text
    assert "part 1 of 3 equal parts of the others has the validation rows" in text


@pytest.mark.parametrize(("model", "renormalised"), [("coxph", True), ("mtlr", False)])
def test_the_published_evaluation_is_said(plain: Path, model: str, renormalised: bool) -> None:
    dataset, config, result = content(plain)
    published = {**config, "evaluation": "published", "model": model}
    n = len(dataset.splits.train)
    fitted = {**result, "n_train": n // 5 * 4}
    draft = tripod_draft(dataset, published, fitted, folder=plain)
    assert "taken as 0.01 where it is smaller" in item(draft, "12e")
    assert f"fitted on {n // 5 * 4} of the {n} training rows" in item(draft, "12a")
    assert ("spread over the grid" in item(draft, "12g")) == renormalised
    ordinary = tripod_draft(dataset, config, result, folder=plain)
    assert "fitted on" not in item(ordinary, "12a")
    assert "at least 5 %" in item(ordinary, "12e")


def test_leaks_warnings_and_a_poor_fit_are_limitations(plain: Path) -> None:
    dataset, config, result = content(plain)
    card = replace(dataset.card, known_leaks=("charges are known later",))
    poor = {"converged": False, "convergence_reason": "it stopped", "warnings": ["**odd**"]}
    draft = tripod_draft(replace(dataset, card=card), config, {**result, **poor}, folder=plain)
    limits = item(draft, "26")
    assert "- Possible leak: charges are known later" in limits
    assert "- The fit did not converge: it stopped" in limits
    assert "- Warning of the run: \\*\\*odd\\*\\*" in limits
    assert "charges are known later" in item(draft, "7")


def test_many_predictors_are_counted_where_they_are_not_listed(tmp_path: Path) -> None:
    random, n, p = np.random.default_rng(0), 60, 130
    frame = pd.DataFrame(random.normal(size=(n, p)), columns=[f"gene{j}" for j in range(p)])
    frame = frame.assign(days=random.integers(1, 90, n), dead=random.integers(0, 2, n))
    frame.to_csv(tmp_path / "genes.csv", index=False)
    flags = "--dataset csv --time_column days --event_column dead --model kaplan_meier"
    own = ["--csv_path", str(tmp_path / "genes.csv"), "--log_dir", str(tmp_path / "logs")]
    assert main([*flags.split(), *own, *FLAGS]) == 0
    (path,) = tmp_path.glob(f"logs/*/*/{tripod_ai.FILE}")
    draft = path.read_text()
    for number in ("9b", "20b"):
        assert "\nAnd 30 more." in item(draft, number)
        assert item(draft, number).count("`gene") == 100
    assert "uses no predictors" in item(draft, "12b")


def test_records_of_earlier_versions_have_no_draft(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(run.parents[1], tmp_path / "logs"))
    (folder,) = copy.glob("*/*/")
    (folder / tripod_ai.FILE).unlink()
    assert read_result(folder) is not None
    command: Sequence[str] = json.loads((folder / "config.json").read_text())["command"][3:]
    assert main([*command, "--log_dir", str(copy)]) == 0
    assert "is complete" in capsys.readouterr().out
    assert not (folder / tripod_ai.FILE).exists()

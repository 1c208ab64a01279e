"""The part of a report on the checks of a user's own table for leaks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from survkit.report.__main__ import main as report
from survkit.train import main as train

pytestmark = pytest.mark.slow


def page_of(frame: pd.DataFrame, folder: Path) -> str:
    frame.to_csv(folder / "own.csv", index=False)
    flags = f"--dataset csv --csv_path {folder / 'own.csv'} --time_column months --model coxph"
    flags += f" --event_column dead --time_unit months --bootstrap 0 --log_dir {folder}"
    assert train([*flags.split(), "--mode", "disabled"]) == 0
    assert report(["--log_dir", str(folder), "--group", "csv", "--bootstrap", "0"]) == 0
    return (folder / "csv" / "report.html").read_text("utf-8")


def cohort() -> pd.DataFrame:
    random = np.random.default_rng(4)
    age, months = random.normal(60, 8, 400), random.exponential(20, 400)
    dead = random.random(400) < 0.6
    return pd.DataFrame({"age": age, "months": months.round(1), "dead": dead.astype(int)})


def test_a_column_that_knows_the_outcome_heads_the_page(tmp_path: Path) -> None:
    frame = cohort()
    random = np.random.default_rng(5)
    score = -frame["months"] + random.normal(scale=0.5, size=len(frame))
    page = page_of(frame.assign(score=score), tmp_path)
    box = page[page.index("Possible leaks:") : page.index("Checks for leaks</h2>")]
    assert 'href="#checks-for-leaks"' in box
    assert "score: Harrell&#39;s concordance 0.9" in box
    section = page.partition('id="checks-for-leaks"')[2].partition("</section>")[0]
    assert "for its owner to check" in section
    assert "score (Harrell&#39;s concordance 0.9" in section
    assert "of at least 0.95" in section
    assert section.count(">none</td>") == 5


def test_a_clean_table_has_the_checks_and_no_warning(tmp_path: Path) -> None:
    page = page_of(cohort(), tmp_path)
    assert "Possible leaks:" not in page
    section = page.partition('id="checks-for-leaks"')[2].partition("</section>")[0]
    assert section.count(">none</td>") == 6

from __future__ import annotations

import json
from pathlib import Path

import pytest

from survkit.report.__main__ import main
from survkit.train import main as train

pytestmark = pytest.mark.slow


def record(folder: Path, *flags: str) -> dict[str, object]:
    command = ["--dataset", "veteran", "--bootstrap", "0", "--mode", "disabled", "--group", "g"]
    assert train([*command, "--log_dir", str(folder), *flags]) == 0
    newest = max(folder.glob("g/*/result.json"), key=lambda path: path.stat().st_mtime_ns)
    return {**json.loads(newest.read_text()), "folder": newest.parent}


def page(folder: Path) -> str:
    assert main(["--log_dir", str(folder), "--group", "g", "--bootstrap", "0"]) == 0
    return (folder / "g" / "report.html").read_text()


def test_a_cox_regression_has_its_hazard_ratios_everywhere(tmp_path: Path) -> None:
    result = record(tmp_path, "--model", "coxph")
    rows = {(row["feature"], row["level"]): row for row in result["hazard_ratios"]}  # type: ignore[attr-defined]
    cells = rows["Celltype", "squamous"]
    assert cells["reference"] == "smallcell"
    shown = f"{cells['hazard_ratio']:.3f} ({cells['low']:.3f} to {cells['high']:.3f})"
    card = (result["folder"] / "model_card.md").read_text()  # type: ignore[operator]
    section = card.partition("\n## Hazard ratios\n")[2].partition("\n## ")[0]
    assert f"| Celltype: squamous | smallcell | {shown} |" in section
    assert all(f"- {note}" in section for note in result["hazard_ratio_notes"])  # type: ignore[attr-defined]
    assert len(result["proportional_hazards"]) == 7  # type: ignore[arg-type]

    one = page(tmp_path)
    assert '<h2 id="hazard-ratios">Hazard ratios</h2>' in one
    assert one.count("<figcaption>Hazard ratios of coxph</figcaption>") == 1
    assert "Celltype: squamous" in one
    assert "Grambsch and Therneau" in one

    record(tmp_path, "--model", "coxph", "--cox_alpha", "0.1")
    record(tmp_path, "--model", "kaplan_meier")
    two = page(tmp_path)
    assert two.count("<figcaption>Hazard ratios of coxph") == 2
    assert "--cox_alpha 0.1, " in two


def test_other_models_and_seeds(tmp_path: Path) -> None:
    result = record(tmp_path, "--model", "kaplan_meier")
    assert "hazard_ratios" not in result
    assert "Hazard ratios" not in page(tmp_path)
    calibrated = record(tmp_path, "--model", "coxph", "--calibrate")
    assert "before the calibration" in calibrated["hazard_ratio_notes"][-1]  # type: ignore[index]
    published = ["--model", "coxph", "--evaluation", "published", "--seeds", "42", "43"]
    record(tmp_path / "published", *published)
    assert "The fits differ between seeds; these are those of seed 42." in page(
        tmp_path / "published"
    )

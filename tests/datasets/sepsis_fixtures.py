"""Small sets of made patients, in the files of the PhysioNet 2019 challenge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from survkit.datasets.sepsis_files import TRAINING
from survkit.datasets.sepsis_parsing import COLUMNS, FEATURES, LABEL


def patient(hours: int, first_label: int | None = None, *, seed: int = 0) -> list[dict[str, float]]:
    """Return the hourly records of a patient: HR is the hour, Temp is missing in odd hours."""
    rng = np.random.default_rng(seed)
    rows = []
    for hour in range(hours):
        row = {name: float(np.round(rng.normal(50, 10), 2)) for name in FEATURES}
        row |= {"HR": hour, "Gender": seed % 2, "Age": 20 + seed % 60, "ICULOS": hour + 1}
        row |= {"Temp": 37.0} if hour % 2 == 0 else {"Temp": float("nan")}
        row[LABEL] = float(first_label is not None and hour >= first_label)
        rows.append(row)
    return rows


def as_psv(rows: Sequence[dict[str, float]]) -> str:
    lines = ["|".join(COLUMNS)]
    for row in rows:
        fields = [row.get(name, float("nan")) for name in COLUMNS]
        lines.append("|".join("NaN" if np.isnan(field) else f"{field:g}" for field in fields))
    return "\n".join(lines) + "\n"


def write_set(
    data_dir: Path, patients: dict[int, Sequence[dict[str, float]]], name: str = "training_setB"
) -> Path:
    """Write the files of a set and return its folder."""
    folder = data_dir / TRAINING / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, rows in patients.items():
        (folder / f"p{number:06d}.psv").write_text(as_psv(rows))
    return folder


def many(n: int, *, first: int = 1) -> dict[int, list[dict[str, float]]]:
    """Return patients of 8 to 27 hours; every third has an onset, at hours 6 to 20."""
    return {
        number: patient(8 + number % 20, number % 7 if number % 3 == 0 else None, seed=number)
        for number in range(first, first + n)
    }

"""Flags of small runs, in files, as a file may serve models that read different flags."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "args"
SMALL = ["--experiment_args", str(FOLDER / "small.args")]
SMALL_SYNTHETIC = ["--experiment_args", str(FOLDER / "small_synthetic.args")]

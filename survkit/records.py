"""The documented way to a fitted run: `from survkit.records import load_fitted`."""

from survkit.runs.read import FittedRun, load_fitted

__all__ = ["FittedRun", "load_fitted"]

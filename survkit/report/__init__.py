"""From run folders to tables and figures."""

from survkit.report.runs import load_runs

__all__ = ["load_runs"]

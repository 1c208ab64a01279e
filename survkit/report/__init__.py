"""From run folders, or Weights & Biases, to tables, figures and one page."""

from survkit.runs.table import load_runs, load_wandb_runs

__all__ = ["load_runs", "load_wandb_runs"]

"""Runs jobs on a SLURM cluster."""

from __future__ import annotations

from survkit.slurm.slurm_launcher import slurm_launch, slurm_scripts

__all__ = ["slurm_launch", "slurm_scripts"]

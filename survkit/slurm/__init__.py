"""Runs jobs on a SLURM cluster."""

"""Ensembles of finished runs: over the seeds of a model, or over models."""

"""Evaluates a finished run on data that it has never seen."""

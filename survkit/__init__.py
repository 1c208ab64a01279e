"""Survival analysis with mixture-of-experts heads."""

__version__ = "0.1.0"

"""Compares models over many datasets and splits: one file, one command, one page."""

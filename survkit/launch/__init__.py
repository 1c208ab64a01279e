"""From a sweep to its jobs, and where each of them runs."""

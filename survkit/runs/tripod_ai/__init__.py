"""A draft of the TRIPOD+AI checklist of a run: what its record knows, and blanks for the rest."""

from survkit.runs.tripod_ai.draft import FILE, tripod_draft

__all__ = ["FILE", "tripod_draft"]

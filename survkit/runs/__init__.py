"""Run folders: how they are identified, written and read, and what state they are in."""

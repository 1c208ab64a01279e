"""Tests, as a package: an installed one has the same name and would be imported instead."""

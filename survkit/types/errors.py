"""The errors that a user can correct."""

from __future__ import annotations


class InputError(ValueError):
    """What a person gave cannot be used; the message says what, where, and what would be right.

    Commands print it without a traceback and exit with status 2.
    """


class NotFiniteError(InputError):
    """A predicted survival is NaN: the model has diverged, or the features are too large for it."""

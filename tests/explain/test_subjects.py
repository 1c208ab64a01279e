"""What explained subjects are called."""

from __future__ import annotations

import numpy as np

from survkit.explain.subjects import NAME_LENGTH, Subjects


def test_titles_tell_patients_apart_on_one_line() -> None:
    long = "x" * 300
    names = ["A", "", "B\nC", "A", long, " "]
    titles = Subjects([1, 2, 3, 4, 5, 6], names, np.zeros((6, 1), np.float32)).titles
    assert titles[:4] == ["patient A (row 1)", "row 2", "patient B C", "patient A (row 4)"]
    assert titles[4].startswith("patient xxx")
    assert len(titles[4]) == len("patient ") + NAME_LENGTH
    assert titles[5] == "row 6"


def test_test_subjects_are_called_by_their_place() -> None:
    assert Subjects([3], None, np.zeros((1, 1), np.float32)).titles == ["test subject 3"]

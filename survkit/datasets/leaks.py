"""Checks of a user's own table for columns that may know the outcome; they only warn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from survkit.datasets.card import Finding, LeakCheck, used_findings
from survkit.datasets.problems import row_count
from survkit.datasets.schema import Schema
from survkit.datasets.tables import RawTable, as_categories, as_numbers
from survkit.metrics.concordance import concordance

RANKS_NEARLY_PERFECTLY = 0.95
"""Harrell's concordance from which one column alone is suspicious: strong markers reach 0.8."""

CHANCE = 1e-5
"""How probable a pattern may be by chance: a table of 50 columns has some 500 values to look at."""

ENOUGH = 10
"""Fewest events, or rows with a value, from which a check judges a column."""

CODES, COMMON = 20, 0.05
"""With more different values than `CODES` a number is a measurement, of which a single value tells
something only where this share of the rows has it: at 94 years nearly everybody has died."""

ONE_WAY = 0.99
"""Share of the steps from row to row in one direction that makes a column a row number."""

ENOUGH_STEPS = 20

RANKED_ROWS = 2_000
"""Most training rows that a column is ranked by, drawn at random: its concordance is then known to
about 0.01, in a hundredth of the time that 100,000 rows take."""

CONSTANTS = "constants"
"""Name of the check for columns with one value."""

_FOLDS = 5
_SHOWN = 3
_NO_VALUE, _ANY_VALUE = -1, -2


class _Column(NamedTuple):
    """A feature in the training rows: numbers or codes (n,), NaN where missing.

    `texts` are the categories of the codes, empty for numbers.
    """

    name: str
    values: NDArray[np.float64]
    texts: Sequence[str]


def check_leaks(table: RawTable, schema: Schema, rows: NDArray[np.int64]) -> tuple[LeakCheck, ...]:
    """Look for columns that may know the outcome, in the training rows.

    Of a subject with several rows the first counts, as rows of one subject are alike.

    Parameters
    ----------
    table : RawTable
        All rows, in the order of the file.
    schema : Schema
        What was understood of the file.
    rows : array, shape (n_train,)
        The training rows.

    Returns
    -------
    tuple of LeakCheck
        Every check, also those that found nothing.
    """
    rows = np.sort(rows)
    if table.subject_id is not None:
        rows = rows[np.sort(np.unique(table.subject_id[rows], return_index=True)[1])]
    time, event = table.time[rows], table.event[rows]
    copies, ranking, single, constant, numbering = [], [], [], [], _left_out_numbering(schema)
    for column, in_file in _columns(table, rows):
        if not column.texts:
            numbering += _row_number(column.name, in_file)
        present = ~np.isnan(column.values)
        if len(np.unique(column.values[present])) < 2 and present.all():
            constant.append(Finding(column.name, _always(column), used=False))
        elif copy := _copy(column, present, time, event):
            copies.append(copy)
        else:
            ranking += _ranking(column, present, time, event)
            single += _one_outcome(column, event)
    left_out = [Finding(c.name, c.kind, used=False) for c in schema.columns if c.left_out]
    found = (copies, ranking, single, numbering, constant, left_out)
    return tuple(
        LeakCheck(*check, tuple(findings)) for check, findings in zip(_CHECKS, found, strict=True)
    )


_CHECKS = (
    (
        "copies",
        "Columns that repeat the time or the event",
        f"in every row with a value, and in at least {ENOUGH}",
    ),
    (
        "ranking",
        "Columns that rank the subjects nearly perfectly by themselves",
        f"Harrell's concordance with the outcome of at least {RANKS_NEARLY_PERFECTLY}, in either "
        f"direction, with at least {ENOUGH} events; categories are ranked by their event rate or "
        f"their mean time in other rows; {RANKED_ROWS:,} rows are drawn where there are more",
    ),
    (
        "one outcome",
        "Values, or missing values, that occur with one outcome only",
        f"all their rows have the event, or all are censored; in at least {ENOUGH} rows, and so "
        f"many that outcomes in random order would do this in fewer than 1 of {1 / CHANCE:,.0f} "
        f"cases; of numbers with more than {CODES} different values, only those that {COMMON:.0%} "
        "of the rows have",
    ),
    (
        "row numbers",
        "Columns that count the rows, or by which the rows are sorted",
        f"they rise, or fall, in at least {ONE_WAY:.0%} of the steps from row to row of the file; "
        "the order of the rows may come from the outcome",
    ),
    (CONSTANTS, "Columns with one value, which no model uses", ""),
    ("left out", "Columns of the file that no model sees", ""),
)


def leak_warnings(checks: Sequence[LeakCheck]) -> tuple[str, ...]:
    """Return a warning for each column in use that a check found."""
    details = used_findings(finding for check in checks for finding in check.found)
    return tuple(
        f"column '{name}' may give the outcome away: {'; '.join(found)}; if it is not known at "
        "the time of prediction, name it in --drop_columns"
        for name, found in details.items()
    )


def _columns(
    table: RawTable, rows: NDArray[np.int64]
) -> Iterator[tuple[_Column, NDArray[np.float64]]]:
    """Yield each feature in the training rows, and in all rows of the file."""
    for name in map(str, table.features):
        texts: list[str] = []
        if name in table.categorical:
            codes, texts = as_categories(table.features[name])
            values = np.where(codes < 0, np.nan, codes)
        else:
            values = as_numbers(table.features[name])
        yield _Column(name, values[rows], texts), values


def _always(column: _Column) -> str:
    value = column.values[0]
    return f"always {repr(column.texts[int(value)]) if column.texts else f'{value:.6g}'}"


def _copy(
    column: _Column,
    present: NDArray[np.bool_],
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
) -> Finding | None:
    """Return whether a column repeats the time or the event wherever it has a value."""
    values, happened = column.values[present], event[present]
    if len(values) < ENOUGH:
        return None
    times = time[present]
    if not column.texts and np.ptp(times) > 0 and np.allclose(values, times, rtol=1e-6, atol=0):
        return Finding(column.name, f"it equals the time in {row_count(len(values))}")
    of_events, of_others = np.unique(values[happened]), np.unique(values[~happened])
    alike = len(of_events) == len(of_others) == 1 and of_events[0] != of_others[0]
    if alike and _chance(len(values), int(happened.sum()), int(happened.sum())) < CHANCE:
        return Finding(
            column.name, f"it separates events from censored rows in {row_count(len(values))}"
        )
    return None


def _ranking(
    column: _Column,
    present: NDArray[np.bool_],
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
) -> list[Finding]:
    rows = np.flatnonzero(present)
    drawn = np.random.RandomState(0).permutation(rows)[:RANKED_ROWS]
    if event[drawn].sum() >= ENOUGH:
        rows = drawn
    values, times, happened = column.values[rows], time[rows], event[rows]
    if happened.sum() < ENOUGH:
        return []
    risks = [values]
    if column.texts:
        risks = _category_risks(values.astype(int), times, happened)
    weights = np.ones((len(times), 1))
    index = max(float(concordance(risk, times, happened, weights)[0, 0]) for risk in risks)
    if not column.texts:  # equal values count one half in either direction
        index = max(index, 1 - index)
    if not index >= RANKS_NEARLY_PERFECTLY:  # NaN without comparable pairs
        return []
    found = f"Harrell's concordance {index:.3f} in {row_count(len(values))}"
    return [Finding(column.name, found, value=index)]


def _category_risks(
    codes: NDArray[np.int64], time: NDArray[np.float64], event: NDArray[np.bool_]
) -> list[NDArray[np.float64]]:
    """Return each row's risk by the other folds: its category's event rate, and minus mean time.

    A category's own outcomes would rank its rows the better, the fewer rows it has. One row with
    an event and the mean follow-up is added to each, so that unseen categories are average.
    """
    folds = np.random.RandomState(0).permutation(len(codes)) % _FOLDS
    typical, mean = (time.sum() or 1.0) / event.sum(), time.mean()  # every time may be 0
    rate, early = np.zeros(len(codes)), np.zeros(len(codes))
    size = int(codes.max()) + 1
    for fold in range(_FOLDS):
        own, others = folds == fold, folds != fold
        rows = np.bincount(codes[others], minlength=size)
        events = np.bincount(codes[others], weights=event[others], minlength=size)
        followed = np.bincount(codes[others], weights=time[others], minlength=size)
        rate[own] = ((events + 1) / (followed + typical))[codes[own]]
        early[own] = -((followed + mean) / (rows + 1))[codes[own]]
    return [rate, early]


def _one_outcome(column: _Column, event: NDArray[np.bool_]) -> list[Finding]:
    """Return what of a column occurs only among events, or only among censored rows."""
    missing = np.isnan(column.values)
    different, place = np.unique(column.values[~missing], return_inverse=True)
    m, total, all_events = len(different), len(event), int(event.sum())
    counts = np.bincount(place, minlength=m)
    events = np.bincount(place, weights=event[~missing], minlength=m)
    few = ENOUGH if column.texts or m <= CODES else max(ENOUGH, COMMON * total)
    groups = [(int(i), int(counts[i]), int(events[i])) for i in np.flatnonzero(counts >= few)]
    groups.append((_NO_VALUE, int(missing.sum()), int(event[missing].sum())))
    if missing.any() and m > 1:
        groups.append((_ANY_VALUE, int((~missing).sum()), int(event[~missing].sum())))
    found = []
    for group, count, seen in groups:
        if count < ENOUGH or seen not in (0, count):
            continue
        if _chance(total, all_events if seen else total - all_events, count) < CHANCE:
            outcome = "with the event" if seen else "censored"
            name = _group_name(column, different, group)
            found.append(f"{name} in {row_count(count)}, all {outcome}")
    if not found:
        return []
    more = f" and {len(found) - _SHOWN} more such values" if len(found) > _SHOWN else ""
    return [Finding(column.name, "; ".join(found[:_SHOWN]) + more)]


def _group_name(column: _Column, different: NDArray[np.float64], group: int) -> str:
    if group == _NO_VALUE:
        return "no value"
    if group == _ANY_VALUE:
        return "a value"
    value = different[group]
    return repr(column.texts[int(value)]) if column.texts else f"{value:.6g}"


def _chance(total: int, ones: int, drawn: int) -> float:
    """Return the probability that all rows drawn are among those of one outcome.

    Hypergeometric: C(ones, drawn) / C(total, drawn).
    """
    if drawn > ones:
        return 0.0
    log_ways = gammaln([ones + 1, total - drawn + 1, ones - drawn + 1, total + 1])
    return math.exp(min(log_ways[0] + log_ways[1] - log_ways[2] - log_ways[3], 0.0))


def _row_number(name: str, values: NDArray[np.float64]) -> list[Finding]:
    steps = np.diff(values[~np.isnan(values)])
    if len(steps) < ENOUGH_STEPS:
        return []
    up, down = float((steps > 0).mean()), float((steps < 0).mean())
    if max(up, down) < ONE_WAY:
        return []
    way = "rises" if up > down else "falls"
    return [Finding(name, f"it {way} in {max(up, down):.1%} of the steps from row to row")]


def _left_out_numbering(schema: Schema) -> list[Finding]:
    numbering = [column.name for column in schema.columns if column.kind == "row number"]
    return [Finding(name, "it numbers the rows and is left out", used=False) for name in numbering]

"""Puts the draft of a run together: each item with its status, its text and its blank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from survkit.datasets.assemble import Dataset
from survkit.pages.markdown import bullets
from survkit.runs.tripod_ai import modelling, participants, predictors
from survkit.runs.tripod_ai.answer import Answer, Run, Writer
from survkit.runs.tripod_ai.items import ITEMS, Item

FILE = "tripod_ai.md"
"""Its name in the run's folder."""

BLANK = "TO FILL IN"
"""How each blank begins."""

Status = Literal["filled in", "partly", "blank"]
STATUSES: tuple[Status, ...] = ("filled in", "partly", "blank")

WRITERS: dict[str, Writer] = {
    "1": participants.title,
    "4": participants.objectives,
    "5a": participants.sources,
    "7": participants.preparation,
    "8a": participants.outcome,
    "9a": predictors.choice,
    "9b": predictors.definitions,
    "10": participants.sample_size,
    "11": predictors.missing,
    "12a": participants.use_of_data,
    "12b": predictors.handling,
    "12c": modelling.building,
    "12d": modelling.heterogeneity,
    "12e": modelling.measures,
    "12f": modelling.updating,
    "12g": modelling.predictions,
    "13": modelling.imbalance,
    "14": modelling.fairness,
    "15": modelling.output,
    "16": participants.against_evaluation,
    "18e": participants.data_sharing,
    "18f": modelling.code_sharing,
    "20a": participants.flow,
    "20b": predictors.characteristics,
    "20c": predictors.comparison,
    "21": participants.analyses,
    "22": modelling.specification,
    "23a": modelling.performance,
    "24": modelling.updated_performance,
    "26": modelling.limitations,
    "27a": modelling.poor_input,
}
"""What answers each item that a record knows something of."""


def tripod_draft(
    dataset: Dataset, config: Mapping[str, Any], result: Mapping[str, Any], *, folder: Path
) -> str:
    """Return a draft of the TRIPOD+AI checklist of a run, as Markdown.

    Parameters
    ----------
    dataset : Dataset
        The data that the model was fitted on.
    config : mapping
        The run's resolved configuration, by flag.
    result : mapping
        Its record, with test metrics; NaN or None is an undefined one.
    folder : Path
        Its folder, for the command that predicts.

    References
    ----------
    Collins et al. (2024), BMJ 385:e078378.
    """
    run = Run(dataset, config, result, folder)
    answers = {item.number: _answer(item, run) for item in ITEMS}
    lines = [f"# TRIPOD+AI draft: {result['model']} on {result['dataset']}", "", *_top(answers)]
    section = ""
    for item in ITEMS:
        if item.section != section:
            section = item.section
            lines += ["", f"## {section}"]
        lines += ["", *_item_lines(item, answers[item.number])]
    return "\n".join(lines) + "\n"


def _answer(item: Item, run: Run) -> Answer:
    """Return the answer to an item, what is left to write filled in."""
    writer = WRITERS.get(item.number)
    answer = Answer(()) if writer is None else writer(run)
    return answer._replace(left=item.left if answer.left is None else answer.left)


def status_of(answer: Answer) -> Status:
    """Return how much of an item an answer fills in."""
    if not answer.lines:
        return "blank"
    return "partly" if answer.left else "filled in"


def _top(answers: Mapping[str, Answer]) -> Sequence[str]:
    numbers: dict[Status, list[str]] = {status: [] for status in STATUSES}
    for number, answer in answers.items():
        numbers[status_of(answer)].append(number)
    filled, partly, blank = (len(of_status) for of_status in numbers.values())
    return [
        f"Of the {len(answers)} sub-items of TRIPOD+AI, survkit filled in {filled}, filled in "
        f"{partly} partly and left {blank} blank. **This is a draft: the authors must check every "
        "statement**, and complete the lines that begin with "
        f"{BLANK}. It describes one run; what was done before it, beside it and after it is "
        "for the authors to add.",
        "",
        *bullets(f"{status}: {', '.join(of)}" for status, of in numbers.items() if of),
        "",
        "What an item asks for is shortened here; the checklist itself decides (Collins et al. "
        "2024, BMJ 385:e078378). D: for the development of a model, E: for its evaluation, D;E: "
        "for both. Work on a copy: a run that is made again replaces this file.",
    ]


def _item_lines(item: Item, answer: Answer) -> list[str]:
    lines = [
        f"### {item.number} {item.topic} ({item.applies}): {status_of(answer)}",
        "",
        f"Asked: {item.asks}",
    ]
    if answer.lines:
        lines += ["", *answer.lines]
    if answer.left:
        lines += ["", f"**{BLANK}:** {answer.left}"]
    return lines

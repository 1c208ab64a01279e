"""The items on data, participants and outcome."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from survkit.datasets.card import counts_text
from survkit.datasets.causes import cause_counts
from survkit.metrics.censoring import kaplan_meier
from survkit.pages.markdown import bullets, markdown_code, markdown_table, markdown_text
from survkit.runs.metric_text import short_unit, time_text
from survkit.runs.model_card import leak_lines, left_out_columns
from survkit.runs.rows import is_conformal
from survkit.runs.tripod_ai.answer import Answer, Run
from survkit.types import SurvivalData

USES = {
    "train": "development: every statistic and every parameter",
    "validation": "development: choices during the fit, such as when to stop, where it has any",
    "test": "evaluation only",
}
"""What each part of the rows is for."""


def title(run: Run) -> Answer:
    """Item 1."""
    name = markdown_text(run.dataset.card.name)
    return Answer(
        [
            f"A prediction model of the time to an event, `{run.result['model']}`, was developed "
            f"and evaluated on one source of data, {name}."
        ]
    )


def objectives(run: Run) -> Answer:
    """Item 4."""
    return Answer(
        [
            "This record is of both: the development of a model, and its evaluation on rows of the "
            "same source that were kept apart (internal validation)."
        ]
    )


def sources(run: Run) -> Answer:
    """Item 5a."""
    card = run.dataset.card
    facts = [f"Source: {card.source}", f"Licence: {card.licence}", *card.notes]
    return Answer(
        [
            f"{markdown_text(card.name)}, {_subjects(run)}, for development and evaluation:",
            "",
            *bullets(map(markdown_text, facts)),
        ]
    )


def _subjects(run: Run) -> str:
    """Return how many subjects, rows and events all parts have together."""
    splits, causes = run.dataset.splits, run.dataset.card.causes
    rows, events = sum(map(len, splits)), sum(int(data.event.sum()) for data in splits)
    subjects = sum(data.num_subjects for data in splits)
    of_several = f" with {rows:,} rows" if subjects < rows else ""
    of_causes = f": {markdown_text(counts_text(causes))}" if causes else ""
    share = f"{events / rows:.0%}{of_causes}"
    return f"{subjects:,} subjects{of_several} and {events:,} events ({share})"


def preparation(run: Run) -> Answer:
    """Item 7."""
    if run.dataset.preprocessor is None:
        lines = ["Features were used as the source gives them (see 5a)."]
    else:
        lines = [
            "Rows were divided first; what imputes, scales and encodes the predictors (11, 12b) "
            "comes from the training rows alone."
        ]
    if run.dataset.schema is not None:
        lines += ["", "How the table was read is in `config.json`, under `schema`."]
    if left_out := left_out_columns(run.dataset):
        lines += ["", "Columns left out:", "", *bullets(left_out)]
    examined = run.dataset.card.leak_checks is None
    lines += ["", f"{'Known leaks' if examined else 'Checks for leaks'}:", ""]
    lines += leak_lines(run.dataset, run.result)
    noted = [text for text in run.dataset.warnings if text not in _dropped(run)]
    if noted:
        lines += ["", "Noted while loading:", "", *bullets(map(markdown_text, noted))]
    return Answer(lines)


def _dropped(run: Run) -> tuple[str, ...]:
    preprocessor = run.dataset.preprocessor
    return () if preprocessor is None else preprocessor.warnings


def outcome(run: Run) -> Answer:
    """Item 8a."""
    train, unit = run.dataset.splits.train, run.dataset.card.time_unit
    cuts = run.dataset.grid.cuts
    lines = [f"Time to {_event(run)}, in {markdown_text(unit)}.", *_from_columns(run)]
    lines.append("A subject without an event is censored at its last time.")
    if train.entry is not None:
        lines.append(
            "Subjects who come under observation late count as at risk from their entry only, in "
            "the fit and in the evaluation."
        )
    if _repeated(train):
        lines.append("A subject can have several rows, each with its own time and event.")
    lines.append(
        f"Predictions reach to {markdown_text(time_text(cuts[-1], unit))}, the horizon, on a grid "
        f"of {len(cuts):,} times."
    )
    return Answer([" ".join(lines)])


def _event(run: Run) -> str:
    names = run.dataset.splits.train.cause_names
    if not names:
        return "the event"
    return f"the first event of any cause ({', '.join(map(markdown_code, names))}) and its cause"


def _from_columns(run: Run) -> list[str]:
    schema = run.dataset.schema
    if schema is None:
        return []
    times = [schema.time.get(key) for key in ("column", "start", "end", "entry")]
    columns = [name for name in (schema.event.get("column"), *times) if name]
    return [f"Columns of the table: {', '.join(map(markdown_code, columns))}."]


def _repeated(data: SurvivalData) -> bool:
    return data.num_subjects < len(data)


def sample_size(run: Run) -> Answer:
    """Item 10."""
    splits, parameters = run.dataset.splits, run.result["num_parameters"]
    fitted = int(splits.train.event.sum())
    features = splits.train.features.shape[1]
    lines = [
        f"The size is that of the data: {_subjects(run)}. Development has {fitted:,} events in the "
        f"training rows for {features:,} columns of predictors ({fitted / features:.3g} events "
        f"each){f' and {parameters:,} parameters' if parameters else ''}; evaluation has "
        f"{int(splits.test.event.sum()):,} events in the test rows."
    ]
    return Answer(lines)


def use_of_data(run: Run) -> Answer:
    """Item 12a."""
    train, n_train = run.dataset.splits.train, run.result["n_train"]
    lines = [f"{_division(run)} {_kept_together(train)}".rstrip(), "", *_parts_table(run)]
    if n_train < len(train):
        why = (
            "the others are for the conformal calibration (23a)."
            if is_conformal(run.settings)
            else "the published evaluation leaves a fifth of them out, by the seed."
        )
        fitted = f"The model was fitted on {n_train:,} of the {len(train):,} training rows: {why}"
        lines += ["", fitted]
    if run.settings.get("calibrate"):
        lines += ["", "The validation rows also gave the calibration map (12c)."]
    if run.result.get("selection"):
        lines += ["", "The validation rows also chose the members of the ensemble (12c)."]
    return Answer(lines)


def _division(run: Run) -> str:
    split, dataset = run.dataset.split, run.dataset
    if dataset.own_test_rows:
        return (
            "The source itself sets the test rows apart. The validation rows were drawn at random "
            "from the others."
        )
    strata = "cause of the event" if dataset.splits.train.cause_names else "event"
    how = f"stratified by the {strata}, " if split.stratified else ""
    if split.kind == "holdout":
        tested = "a tenth are test rows"
    else:
        tested = f"part {split.fold + 1} of {split.folds} equal parts has the test rows"
    if split.inner_folds:
        others = (
            f"part {split.inner_fold + 1} of {split.inner_folds} equal parts of the others has the "
            "validation rows"
        )
    else:
        others = "a ninth of the others are validation rows"
    return f"Subjects were divided at random ({how}seed {split.seed}): {tested}, and {others}."


def _kept_together(data: SurvivalData) -> str:
    return "" if data.subject_id is None else "All rows of a subject are in the same part."


def _parts_table(run: Run) -> list[str]:
    parts = _parts(run)
    return markdown_table(
        ("part", "rows", "events", "use"),
        ((name, f"{len(data):,}", f"{data.event.sum():,}", USES[name]) for name, data in parts),
    )


def _parts(run: Run) -> Iterator[tuple[str, SurvivalData]]:
    return zip(run.dataset.splits._fields, run.dataset.splits, strict=True)


def against_evaluation(run: Run) -> Answer:
    """Item 16."""
    if run.dataset.own_test_rows:
        return Answer(
            ["The source itself sets the evaluation rows apart; outcome and predictors are alike."],
            "differences in setting and eligibility between the source's two sets.",
        )
    return Answer(
        [
            "None: the evaluation rows are a random part of the same data, so setting, "
            "eligibility, outcome and predictors are the same. The evaluation therefore says "
            "nothing about other places or times."
        ]
    )


def data_sharing(run: Run) -> Answer:
    """Item 18e."""
    card = run.dataset.card
    facts = [f"Source: {card.source}", f"Licence: {card.licence}"]
    digest = f"SHA-256 of the data that were used: `{run.dataset.sha256}`"
    return Answer(bullets([*map(markdown_text, facts), digest]))


def flow(run: Run) -> Answer:
    """Item 20a."""
    unit = run.dataset.card.time_unit
    causes = run.dataset.splits.train.cause_names
    follow_up = f"median follow-up ({markdown_text(short_unit(unit)) or 'as above'})"
    header = ("part", "subjects", "rows", "with event", *map(markdown_code, causes))
    lines = markdown_table(
        (*header, "without event", follow_up, "longest time"),
        (_flow_row(name, data) for name, data in _parts(run)),
    )
    lines += [
        "",
        "The median follow-up is by the reverse Kaplan-Meier method, for which an event ends the "
        "observation.",
    ]
    if _repeated(run.dataset.splits.train):
        lines += ["", "Events and follow-up are counted by row."]
    if (entry := run.dataset.splits.train.entry) is not None:
        late = int(np.count_nonzero(entry > 0))
        lines += [
            "",
            f"{late:,} of the {len(entry):,} training rows come under observation late; follow-up "
            "is counted from the entry.",
        ]
    return Answer(lines)


def _flow_row(name: str, data: SurvivalData) -> list[str]:
    events = int(data.event.sum())
    causes = cause_counts(data).values() if data.cause_names else ()
    counts = [data.num_subjects, len(data), events, *causes, len(data) - events]
    return [name, *(f"{count:,}" for count in counts), _follow_up(data), f"{data.time.max():.4g}"]


def _follow_up(data: SurvivalData) -> str:
    observed = data.time if data.entry is None else data.time - data.entry
    curve = kaplan_meier(observed, ~data.event)
    reached = np.flatnonzero(curve.values <= 0.5)
    return f"{curve.times[reached[0]]:.4g}" if len(reached) else "not reached"


def analyses(run: Run) -> Answer:
    """Item 21."""
    train, samples = run.dataset.splits.train, run.settings["bootstrap"]
    fitted = f" ({run.result['n_train']:,} of them fitted on)"
    rows = [
        f"{name} rows ({USES[name]}): {data.num_subjects:,} subjects"
        + (f" with {len(data):,} rows" if _repeated(data) else "")
        + (fitted if name == "train" and run.result["n_train"] < len(train) else "")
        + f", {int(data.event.sum()):,} events"
        + (f" ({markdown_text(counts_text(cause_counts(data)))})" if data.cause_names else "")
        for name, data in _parts(run)
    ]
    return Answer(
        bullets([*rows, f"intervals: {samples:,} bootstrap samples of the test subjects"])
    )

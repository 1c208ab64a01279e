"""An evaluation as one HTML page that needs nothing else, and as text for the screen."""

from __future__ import annotations

from collections.abc import Sequence

from survkit.describe.numbers import percent
from survkit.describe.page import sections_as_text
from survkit.external_validation.evaluated import RECALIBRATED, Evaluated
from survkit.external_validation.metric_sections import calibration_section, performance_section
from survkit.external_validation.shift_section import shift_section
from survkit.pages.document import Box, Section, render_page
from survkit.pages.labels import one_line
from survkit.report.subgroup_sections import TITLE, subgroups_section
from survkit.runs.metric_text import short_unit
from survkit.runs.subgroup_text import scores_text


def sections(evaluated: Evaluated) -> list[Section]:
    """Return the parts of the page, in their order; a further part is one more line."""
    parts = [
        performance_section(evaluated),
        calibration_section(evaluated),
        recalibration_section(evaluated),
        None if evaluated.decisions is None else evaluated.decisions.section,
        _subgroups_section(evaluated),
        shift_section(evaluated) if not evaluated.is_own else None,
    ]
    return [part for part in parts if part is not None]


def _subgroups_section(evaluated: Evaluated) -> Section | None:
    """Return the part on subgroups; None where none were asked for."""
    if not evaluated.subgroups:
        return None
    return subgroups_section(
        evaluated.predictions,
        evaluated.outcomes,
        evaluated.subgroups,
        time_unit=evaluated.unit,
    )


def recalibration_section(evaluated: Evaluated) -> Section | None:
    """Return what was fitted on a part of the new data; None where nothing was."""
    recalibration = evaluated.recalibration
    if recalibration is None:
        return None
    n = evaluated.new.data.num_subjects
    return Section(
        "Recalibration",
        (
            recalibration.describe(),
            f"Both models above are judged on the same {n:,} other subjects. One map for all "
            "subjects and times leaves their order at each time as it is, so that AUCs stay too.",
        ),
    )


def facts(evaluated: Evaluated) -> list[str]:
    """Return what a reader must know first: which run, and on whom it is judged."""
    result, data = evaluated.result, evaluated.new.data
    events, n = int(data.event.sum()), len(data)
    unit = short_unit(evaluated.unit) or "a unit that was not given"
    subjects = f" of {data.num_subjects:,} subjects" if evaluated.who == "rows" else ""
    other = " that the recalibration did not use" if RECALIBRATED in evaluated.scores else ""
    config, trained = evaluated.run.config, result.get("n_train")
    rows = f"{trained:,} rows of " if isinstance(trained, int) else ""
    return [
        f"Run {result.get('run_id', evaluated.path.name)}: {config['model']}, trained on {rows}"
        f"{config['dataset']}.",
        f"Judged on {_data_name(evaluated)}: {n:,} {evaluated.who}{subjects}{other}, {events:,} "
        f"with the event ({percent(events, n)}), {n - events:,} censored; time in {unit}.",
    ]


def _data_name(evaluated: Evaluated) -> str:
    return "its own test rows" if evaluated.is_own else evaluated.new.name


def page(evaluated: Evaluated, parts: Sequence[Section]) -> str:
    """Return an evaluation as HTML."""
    boxes = []
    if evaluated.new.notes:
        boxes.append(
            Box("Notes", "on reading the data:", tuple(map(one_line, evaluated.new.notes)))
        )
    title = f"{evaluated.run.config['model']} on {_data_name(evaluated)}"
    return render_page(title, parts, kind="evaluation", facts=facts(evaluated), boxes=boxes)


def screen(evaluated: Evaluated, parts: Sequence[Section]) -> str:
    """Return an evaluation as text."""
    shown = [part for part in parts if part.title != TITLE]  # too wide; a shorter form follows
    lines = [*map(one_line, facts(evaluated)), sections_as_text(shown)]
    for model, scores in evaluated.subgroups.items():
        lines += ["", scores_text(model, scores, evaluated.unit)]
    return "\n".join(lines)

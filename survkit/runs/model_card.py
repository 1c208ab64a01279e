"""The model card of a run: what a person must know before using its model, in one page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from survkit.datasets import COMMON_PARAMETERS
from survkit.datasets.assemble import Dataset
from survkit.datasets.card import counts_text
from survkit.datasets.preprocessing import CategoryColumn, Preprocessor
from survkit.pages.markdown import (
    bullets,
    markdown_block,
    markdown_code,
    markdown_table,
    markdown_text,
)
from survkit.runs.conformal_text import conformal_sentences, rests_on
from survkit.runs.flags import OF_CONFORMAL, PATHS, dataset_and_model_flags
from survkit.runs.hazard_text import hazard_ratio_cells
from survkit.runs.leak_text import OWNERS_TASK, leak_check_rows
from survkit.runs.metric_lines import calibration_lines, metric_lines
from survkit.runs.metric_text import causes_text, short_unit
from survkit.runs.rows import is_conformal
from survkit.runs.subgroup_text import worst_text
from survkit.runs.subgroups import recorded_subgroups
from survkit.shell import shell_command

FILE = "model_card.md"
"""Its name in the run's folder."""


def model_card(
    dataset: Dataset, config: Mapping[str, Any], result: Mapping[str, Any], *, folder: Path
) -> str:
    """Return the model card of a run as Markdown.

    `config` is its resolved configuration by flag and `result` its record, with NaN or None. The
    card's command that predicts names the run's folder.
    """
    sections = {
        f"Model card: {result['model']} on {result['dataset']}": _summary(result),
        "Data": _data(dataset),
        "Features": _features(dataset),
        "Known leaks": leak_lines(dataset, result),
        "Model": _model(config, result),
        "Test metrics": metric_lines(result, dataset.splits.test),
        "Calibration": calibration_lines(result),
        **({"Subgroups": subgroup_lines(result)} if result.get("subgroups") else {}),
        **({"What is guaranteed": guarantee_lines(result)} if "conformal" in result else {}),
        **({"Experts": _experts(result)} if result["test"].get("expert_load") else {}),
        **({"Hazard ratios": _hazard_ratios(result)} if "hazard_ratios" in result else {}),
        **{
            f"Hazard ratios of {of_cause['cause']}": [
                "Of the cause-specific hazard: the rate among those without any event yet.",
                "",
                *_hazard_ratios(of_cause),
            ]
            for of_cause in result.get("cause_hazard_ratios", ())
        },
        "Warnings": bullets(map(markdown_text, result["warnings"])) or ["None."],
        "Predicting with it": prediction_lines(dataset, folder),
    }
    marks = ["#", *["##"] * (len(sections) - 1)]
    parts = [
        "\n".join([f"{mark} {title}", "", *lines])
        for mark, (title, lines) in zip(marks, sections.items(), strict=True)
    ]
    return "\n\n".join(parts) + "\n"


def _summary(result: Mapping[str, Any]) -> list[str]:
    return [
        f"Run {result['run_id']}, seed {result['seed']}, survkit {result['survkit_version']}. It "
        f"predicts survival over time ({markdown_text(result['time_unit'])}). A model for "
        "research: nothing here shows that it may guide the care of a patient.",
        "",
        "`tripod_ai.md` beside this card is a draft of the TRIPOD+AI checklist for a publication.",
    ]


def _data(dataset: Dataset) -> list[str]:
    card, splits = dataset.card, dataset.splits
    facts = [f"Source: {card.source}", f"Licence: {card.licence}", *card.notes]
    unit = markdown_text(short_unit(card.time_unit)) or "as above"
    causes = f": {counts_text(card.causes)}" if card.causes else ""
    return [
        f"{markdown_text(card.name)}: {card.n:,} subjects, {card.events:,} events "
        f"({card.events / card.n:.0%}{causes}). Time in {markdown_text(card.time_unit)}.",
        *_causes(dataset),
        "",
        *bullets(map(markdown_text, facts)),
        "",
        *markdown_table(
            ("split", "rows", "events", f"longest time ({unit})"),
            (
                (name, f"{len(data):,}", f"{int(data.event.sum()):,}", f"{data.time.max():g}")
                for name, data in zip(splits._fields, splits, strict=True)
            ),
        ),
        "",
        f"SHA-256 of the raw data: `{dataset.sha256}`",
    ]


def _causes(dataset: Dataset) -> list[str]:
    if not dataset.splits.train.cause_names:
        return []
    parts = zip(dataset.splits._fields, dataset.splits, strict=True)
    sentences = (f"{name}: {causes_text(data)}" for name, data in parts)
    return ["", *bullets(map(markdown_text, sentences))]


def _features(dataset: Dataset) -> list[str]:
    left_out = left_out_columns(dataset)
    if dataset.preprocessor is None:
        used = [f"{dataset.splits.train.features.shape[1]} columns, used as they are."]
    else:
        used = _encoded(dataset.preprocessor)
    listed = ["Left out:", "", *bullets(left_out)] if left_out else ["Left out: none."]
    return [*used, "", *listed]


def left_out_columns(dataset: Dataset) -> list[str]:
    """Return the columns of the source that are no features, each with the reason."""
    left_out = [
        f"{markdown_code(name)}: {markdown_text(why)}"
        for name, why in dataset.card.dropped_columns.items()
    ]
    warnings = dataset.preprocessor.warnings if dataset.preprocessor else ()
    return [*left_out, *map(markdown_text, warnings)]


def _encoded(preprocessor: Preprocessor) -> list[str]:
    numbers = [f"{markdown_code(column.name)} ({column.fill:g})" for column in preprocessor.numeric]
    categories = [
        f"{markdown_code(c.name)} ({len(c.values)} values)"
        if isinstance(c, CategoryColumn)
        else f"{markdown_code(c.name)} ({len(c.edges) + 1} bins)"
        for c in preprocessor.coded
    ]
    indicators = list(map(markdown_code, preprocessor.indicators))
    kinds = {
        "Numbers, scaled by the training rows (in brackets: the value of a missing one)": numbers,
        "Numbers with an indicator of missing values": indicators,
        "Categories (missing and unseen values share one code)": categories,
    }
    return bullets(f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names)


def leak_lines(dataset: Dataset, result: Mapping[str, Any]) -> list[str]:
    """Return the known leaks of a dataset, or what the checks of a user's own table found."""
    if "leak_checks" not in result:
        return bullets(map(markdown_text, dataset.card.known_leaks)) or ["None known."]
    rows = leak_check_rows(result["leak_checks"], code=markdown_code, text=markdown_text)
    listed = bullets(f"{title}: {found}." for title, found, _ in rows)
    rules = [f"{title}: {rule}." for title, _, rule in rows if rule]
    return [OWNERS_TASK, "", *listed, "", "What counts:", "", *bullets(rules)]


def _model(config: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    return [
        *setting_table(config, result),
        "",
        *convergence_lines(result),
        "Flags without a value are not listed. `config.json` has the whole configuration, the "
        "command and the versions of packages.",
    ]


def setting_table(config: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    """Return a model's size, its epochs and the flags that its data and it depend on."""
    facts = {
        "parameters (numbers learned)": result["num_parameters"],
        "training rows": result["n_train"],
        "epochs trained": result["epochs_trained"],
        "epoch kept": result["best_epoch"],
    }
    known = [(name, f"{value:,}") for name, value in facts.items() if value is not None]
    flags = [
        (f"`--{name}`", markdown_text(str(_plain(config[name]))))
        for name in used_flags(config)
        if config[name] is not None and config[name] != () and config[name] != []
    ]
    return markdown_table(("what", "value"), [*known, *flags])


def _plain(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else value


def used_flags(config: Mapping[str, Any]) -> list[str]:
    """Return the flags that a run's data and model depend on, without paths."""
    read = (*COMMON_PARAMETERS, *dataset_and_model_flags(config["dataset"], config["model"]))
    conformal = (*(["conformal", *OF_CONFORMAL] if is_conformal(config) else ()),)
    return [*(name for name in read if name not in PATHS), "calibrate", *conformal, "seed"]


def convergence_lines(result: Mapping[str, Any]) -> list[str]:
    """Return whether a fit converged and why; nothing where that has no meaning."""
    if result["converged"] is None:
        return []
    reason = markdown_text(result["convergence_reason"])
    if result["converged"]:
        return [f"The fit converged: {reason}.", ""]
    return [f"**The fit did not converge: {reason}.**", ""]


def subgroup_lines(result: Mapping[str, Any]) -> list[str]:
    """Return which subgroups a record has, and in which the model does worst."""
    lines = []
    for own in recorded_subgroups(result):
        names = ", ".join(
            f"{markdown_code(each.name)} ({each.subjects:,} test subjects, {each.events:,} events)"
            for each in own.subgroups
        )
        listed = f"{markdown_code(own.spec)}: {names}. " if names else ""
        lines.append(f"{listed}{markdown_text(worst_text(result['model'], own))}")
    return [
        *bullets(lines),
        "",
        "`result.json` has all metrics of each subgroup, and its differences to the others.",
    ]


def guarantee_lines(result: Mapping[str, Any]) -> list[str]:
    """Return what conformal calibration guarantees, and what that rests on."""
    sentences = (*conformal_sentences(result), *rests_on(result["conformal"]))
    return bullets(map(markdown_text, sentences))


def _experts(result: Mapping[str, Any]) -> list[str]:
    load = result["test"]["expert_load"]
    return [
        "Share of the test rows for which each expert has the largest weight:",
        "",
        *markdown_table(
            ("expert", *range(1, len(load) + 1)), [("share", *(f"{share:.0%}" for share in load))]
        ),
    ]


def _hazard_ratios(result: Mapping[str, Any]) -> list[str]:
    header, rows, notes = hazard_ratio_cells(result)
    table = [*markdown_table(header, [map(markdown_text, row) for row in rows]), ""] if rows else []
    return [*table, *bullets(map(markdown_text, notes))]


def prediction_lines(dataset: Dataset, folder: Path) -> list[str]:
    """Return how to predict with a run: the command and its table, or the call."""
    if dataset.preprocessor is None:
        return [
            "`survkit.records.load_fitted(folder).model.predict(features)`, with features of "
            f"shape (n, {dataset.splits.train.features.shape[1]}), float32, made as in training."
        ]
    horizon = f"{dataset.grid.horizon:g}"
    columns = ", ".join(map(markdown_text, dataset.preprocessor.columns))
    return [
        markdown_block(_prediction_command(folder, dataset.grid.horizon / 2), "bash"),
        "",
        f"`patients.csv` has the columns {columns}, as in the source. `--times` takes any number "
        f"of times up to the horizon, {horizon} ({markdown_text(dataset.card.time_unit)}).",
    ]


def _prediction_command(folder: Path, time: float) -> str:
    # A name that begins with a hyphen would be read as a flag.
    run = f"./{folder}" if str(folder).startswith("-") else str(folder)
    flags = ["--run", run, "--csv", "patients.csv", "--times", f"{time:.4g}"]
    return shell_command(["python", "-m", "survkit.predict", *flags])

"""Makes the record of one ensemble: build, choose, calibrate, evaluate, write."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from survkit.datasets.assemble import Dataset
from survkit.ensemble.candidates import Candidate, shared_settings
from survkit.ensemble.selection import Selection, select_models
from survkit.metrics.outcomes import MIN_AT_RISK, decisive_min_at_risk
from survkit.models.calibrated import CalibratedModel
from survkit.models.ensemble import ENSEMBLE, EnsembleModel
from survkit.runs.documents import run_documents
from survkit.runs.folder import RunFolder, provenance
from survkit.runs.identity import identifier
from survkit.runs.model_card import FILE
from survkit.runs.results import evaluated_outcomes, finish_run, recorded_schema
from survkit.types import InputError, SurvivalModel

SELECTED = "selected_ensemble"


class Choices(NamedTuple):
    """How an ensemble is made of its candidates: the command's flags of these names."""

    select: bool
    calibrate: bool
    bootstrap: int


def ensemble_id(candidates: Sequence[Candidate], choices: Choices) -> str:
    """Return the identifier of an ensemble: a hash of its candidates' runs and of the choices."""
    run_ids = sorted(run_id for candidate in candidates for run_id in candidate.run_ids)
    return identifier([ENSEMBLE, run_ids, choices._asdict()])


def make_record(
    candidates: Sequence[Candidate],
    choices: Choices,
    dataset: Dataset,
    folder: RunFolder,
    command: Sequence[str],
) -> dict[str, Any]:
    """Make the ensemble of the candidates, write its record and return the result.

    The runs of one candidate are combined; of several, candidates are chosen. The folder is
    locked, and the command line is for the record.

    Raises
    ------
    InputError
        For a member's checkpoint that cannot be read, or a choice that comes out as one run.
    """
    started = time.perf_counter()
    settings = _settings(candidates, choices, dataset, folder)
    made_with = {"command": list(command), **provenance(), **recorded_schema(dataset)}
    folder.start({**settings, **made_with}, warnings=dataset.warnings)
    members = _load(candidates, folder)
    loaded = time.perf_counter()
    selection = _select(members, settings, dataset) if choices.select else None
    model, table = _combine(
        candidates, members, selection, calibrate=choices.calibrate, dataset=dataset
    )
    reasons = {run: why for each in candidates for run, why in each.not_converged.items()}
    for row in table:
        if row["run_id"] in reasons:
            folder.warn(f"member {row['run_id']} did not converge: {reasons[row['run_id']]}")
    return finish_run(
        folder,
        model,
        dataset,
        settings,
        outcomes=evaluated_outcomes(dataset, settings),
        seconds={"load_seconds": loaded - started, "fit_seconds": time.perf_counter() - loaded},
        facts={
            "configuration": folder.path.name,
            "notes": _selection_notes(selection),
            "members": [row["run_id"] for row in table],
            "member_weights": [row["weight"] for row in table],
            "selection": selection and _selection_rows(selection),
            "n_train": len(dataset.splits.train),
        },
        documents=partial(_documents, table, selection),
    )


def _settings(
    candidates: Sequence[Candidate], choices: Choices, dataset: Dataset, folder: RunFolder
) -> dict[str, Any]:
    """Return the ensemble's configuration: what its members share, and how it is made."""
    members = [candidate.settings for candidate in candidates]
    shared = {
        "min_at_risk": max(settings["min_at_risk"] for settings in members),
        "evaluation_times": (),
        **shared_settings(members),
    }
    outcomes = evaluated_outcomes(dataset, shared).values()
    return {
        **shared,
        "min_at_risk": decisive_min_at_risk(outcomes),
        "data_sha256": dataset.sha256,
        "model": SELECTED if choices.select else f"{candidates[0].model}_ensemble",
        "group": folder.path.parent.name,
        "seed": None,
        "candidates": [candidate.label for candidate in candidates],
        "seeds": sorted({seed for candidate in candidates for seed in candidate.seeds}),
        **choices._asdict(),
    }


def _load(candidates: Sequence[Candidate], folder: RunFolder) -> dict[str, list[SurvivalModel]]:
    """Return the fitted models of each candidate; note what a reader must know of them."""
    members = {}
    for candidate in candidates:
        members[candidate.label], warnings = candidate.load()
        for message in (*(f"without a member: {m}" for m in candidate.missing), *warnings):
            folder.warn(message)
    return members


def _select(
    members: Mapping[str, list[SurvivalModel]], settings: Mapping[str, Any], dataset: Dataset
) -> Selection:
    validation = dataset.splits.validation
    return select_models(
        {
            label: EnsembleModel(own, grid=dataset.grid).predict(validation.features)
            for label, own in members.items()
        },
        validation,
        train=dataset.splits.train,
        grid=dataset.grid,
        convention=settings["evaluation"],
        min_at_risk=settings["min_at_risk"] or MIN_AT_RISK,
    )


def _combine(
    candidates: Sequence[Candidate],
    members: Mapping[str, list[SurvivalModel]],
    selection: Selection | None,
    *,
    calibrate: bool,
    dataset: Dataset,
) -> tuple[SurvivalModel, list[dict[str, Any]]]:
    """Return the ensemble and one row a member: run_id, model, seed, weight."""
    weights = selection.weights if selection else {candidates[0].label: 1.0}
    models: list[SurvivalModel] = []
    table: list[dict[str, Any]] = []
    for candidate in candidates:
        if candidate.label not in weights:
            continue
        weight = weights[candidate.label] / len(candidate.runs)
        models += members[candidate.label]
        table += [
            {"run_id": run_id, "model": candidate.label, "seed": seed, "weight": weight}
            for run_id, seed in zip(candidate.run_ids, candidate.seeds, strict=True)
        ]
    if len(models) < 2:
        raise InputError(
            f"the validation split prefers {table[0]['model']} alone, of which there is one run, "
            f"{table[0]['run_id']}; an ensemble needs two members at least"
        )
    ensemble = EnsembleModel(models, grid=dataset.grid, weights=[row["weight"] for row in table])
    if not calibrate:
        return ensemble, table
    calibrated = CalibratedModel(ensemble, grid=dataset.grid)
    return calibrated.calibrate(dataset.splits.validation), table


def _selection_rows(selection: Selection) -> list[dict[str, Any]]:
    return [
        {"model": label, "integrated_brier": value, "weight": selection.weights.get(label, 0.0)}
        for label, value in selection.alone.items()
    ]


def _selection_notes(selection: Selection | None) -> list[str]:
    if selection is None:
        return []
    alone = ", ".join(f"{label} {value:.4f}" for label, value in selection.alone.items())
    chosen = ", ".join(f"{label} {weight:.2f}" for label, weight in selection.weights.items())
    return [
        f"Chosen on the validation split by integrated_brier ({selection.value:.4f}; alone: "
        f"{alone}), with weights {chosen} (penalty towards equal weights: "
        f"{selection.shrinkage:g}). The validation metrics are therefore not those of unseen data."
    ]


def _documents(
    table: Sequence[Mapping[str, Any]],
    selection: Selection | None,
    dataset: Dataset,
    settings: Mapping[str, Any],
    result: Mapping[str, Any],
    *,
    folder: Path,
) -> dict[str, str]:
    """Return the documents of a run, its model card with a section on the members."""
    seeds = ", ".join(map(str, settings["seeds"]))
    # The flags of the members' model are the ensemble's, where it is of one model.
    model = settings["model"].removesuffix("_ensemble")
    settings, result = {**settings, "model": model, "seed": seeds}, {**result, "seed": seeds}
    documents = run_documents(dataset, settings, result, folder=folder)
    rows = [f"| {r['run_id']} | {r['model']} | {r['seed']} | {r['weight']:.4g} |" for r in table]
    lines = [
        "## Members",
        "",
        "The predicted survival curve is the weighted mean of those of these runs.",
        "",
        "| run | model | seed | weight |",
        "| --- | --- | --- | --- |",
        *rows,
        *(f"\n{note}" for note in _selection_notes(selection)),
    ]
    return {**documents, FILE: f"{documents[FILE]}\n" + "\n".join(lines) + "\n"}

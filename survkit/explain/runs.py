"""Explains subjects by the model of a trained run, from its folder and its data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.assemble import Dataset
from survkit.explain.cause_view import (
    CauseView,
    hazard_with_entries,
    subdistribution_hazard,
)
from survkit.explain.contributions import contribution_table, reference_values
from survkit.explain.explanation import MonteCarloExplanation
from survkit.explain.loaded_run import LoadedRun, load_run
from survkit.explain.subjects import Subjects
from survkit.explain.survlime import SurvLimeExplainer
from survkit.explain.units import Unit, Value, category_labels, values_of
from survkit.types import SurvivalModel, SurvivalPrediction


class ExplainableRun(NamedTuple):
    """A run, and a SurvLIME explainer of its predictions."""

    loaded: LoadedRun
    explainer: SurvLimeExplainer

    @property
    def model(self) -> SurvivalModel | CauseView:
        """What is explained."""
        return self.loaded.model

    @property
    def dataset(self) -> Dataset:
        """The run's data."""
        return self.loaded.dataset

    @property
    def units(self) -> tuple[Unit, ...]:
        """How the columns of the model's input read."""
        return self.loaded.units


class ExplainedSubjects(NamedTuple):
    """What a command shows of h subjects.

    `tables` are those of `contribution_table`; `curves` the predictions of the subjects, and
    `cohort` the mean prediction of the `cohort_size` test rows. `notes` are for the reader, and
    `units` say how the model's input reads, and `cause` which competing cause is explained: the
    curves are then 1 minus its cumulative incidence.
    """

    subjects: Subjects
    explanation: MonteCarloExplanation
    tables: list[pd.DataFrame]
    curves: SurvivalPrediction
    cohort: SurvivalPrediction
    cohort_size: int
    time_unit: str
    notes: list[str]
    units: tuple[Unit, ...]
    cause: str = ""


def open_run(
    run: Path | str,
    *,
    data_dir: Path | str | None = None,
    cause: str | None = None,
    **options: Any,
) -> ExplainableRun:
    """Load a run as `load_run` does and build an explainer for its preprocessed features.

    Further options are those of `SurvLimeExplainer`.

    Raises
    ------
    InputError
        As `load_run`, and for options that cannot be used.
    """
    return with_explainer(load_run(run, data_dir=data_dir, cause=cause), **options)


def with_explainer(run: LoadedRun, **options: Any) -> ExplainableRun:
    """Build a SurvLIME explainer of a run, with options of `SurvLimeExplainer`.

    Columns of category codes, and indicators of missing values, are categorical; their values go
    by the names that the data gives them.
    """
    train, preprocessor = run.dataset.splits.train, run.fitted.preprocessor
    names = train.feature_names
    categorical = [names[c.column] for c in train.categorical]
    labels = {}
    if preprocessor is not None:
        indicators = [f"{name}_missing" for name in preprocessor.indicators]
        categorical += [name for name in indicators if name in names]
        labels = {column.name: category_labels(column) for column in preprocessor.coded}
    if run.cause_number:
        if options.get("baseline") == "nelson-aalen":
            options["H0"] = subdistribution_hazard(train, run.cause_number)
        train = train.of_cause(run.cause_number)
    elif train.entry is not None and options.get("baseline", "nelson-aalen") == "nelson-aalen":
        options["H0"] = hazard_with_entries(train)
    explainer = SurvLimeExplainer(
        train.features,
        train.event,
        train.time,
        feature_names=names,
        categorical_features=categorical,
        category_labels=labels,
        **options,
    )
    return ExplainableRun(run, explainer)


def explain_subjects(run: ExplainableRun, subjects: Subjects, **options: Any) -> ExplainedSubjects:
    """Explain subjects in the units of the run's table, with their curves and their cohort's.

    Options are those of `montecarlo_explanation`.
    """
    values = values_of(run.units, subjects.features.astype(np.float64), subjects.raw)
    features, notes = _known_categories(run, subjects, values)
    explanation = run.explainer.montecarlo_explanation(features, run.model, **options)
    reference = reference_values(
        run.dataset.splits.train.features.astype(np.float64),
        run.explainer.neighbourhood,
        run.units,
    )
    tables = [
        contribution_table(
            explanation, i, run.explainer.neighbourhood, reference, run.units, values[i]
        )
        for i in range(len(values))
    ]
    times = run.model.knots.times
    test = run.dataset.splits.test.features
    cohort = run.model.predict(test, times)
    return ExplainedSubjects(
        subjects,
        explanation,
        tables,
        run.model.predict(subjects.features, times),
        SurvivalPrediction(
            cohort.times, cohort.survival.mean(axis=0, keepdims=True), step=cohort.step
        ),
        len(test),
        run.dataset.card.time_unit,
        notes,
        run.units,
        run.loaded.cause,
    )


def _known_categories(
    run: ExplainableRun, subjects: Subjects, values: Sequence[Sequence[Value]]
) -> tuple[NDArray[np.float32], list[str]]:
    """Return features with the reference where no training row has a category, and notes of it.

    No neighbour takes such a value, so its effect is not known.
    """
    features, notes = subjects.features.copy(), []
    for feature in run.explainer.neighbourhood.categorical:
        unit = run.units[feature.column]
        for i in np.flatnonzero(~np.isin(features[:, feature.column], feature.values)).tolist():
            notes.append(
                f"{subjects.titles[i]}: {unit.name} is {values[i][feature.column].text}; no "
                "training row is like that, so its effect is unknown, and it is explained as "
                f"{unit.text(feature.reference)}"
            )
            features[i, feature.column] = feature.reference
    return features, notes

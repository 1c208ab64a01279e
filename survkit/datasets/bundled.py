"""Datasets that installed packages carry: no file and no network needed."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple, Unpack

import numpy as np

from survkit.datasets.assemble import CommonParameters, Dataset, build_dataset
from survkit.datasets.card import Card
from survkit.datasets.causes import counts_by_name
from survkit.datasets.tables import RawTable, as_numbers


class Bundled(NamedTuple):
    """Where a bundled dataset is found, and what it holds."""

    function: str
    card: Card
    module: str = "sksurv.datasets"
    outcome: tuple[str, str] | None = None  # event and time, where the loader returns one table
    categorical: tuple[str, ...] = ()  # columns of numbers that are categories
    ordered: tuple[str, ...] = ()  # columns stored as categories that are numbers
    cause_names: tuple[str, ...] = ()  # of the events 1, 2, ..., where they have several causes


_LIFELINES = "shipped with lifelines (MIT); the source states no other terms"
_LICENCE = "shipped with scikit-survival (GPL-3.0-or-later); the source states no other terms"

BUNDLED = {
    "flchain": Bundled(
        function="load_flchain",
        ordered=("flc.grp", "sample.yr"),
        card=Card(
            name="flchain",
            n=7874,
            events=2169,
            time_unit="days since the blood sample",
            source="Dispenzieri et al. (2012), Mayo Clin Proc 87: serum free light chains and "
            "death, Olmsted County; R package survival, by way of scikit-survival",
            licence=_LICENCE,
            dropped_columns={
                "chapter": "the cause of death, filled in only for the dead: it is the outcome"
            },
            known_leaks=(
                "mgus: the source does not say whether the diagnosis came before the sample; "
                "those who have it die less often, as if they had lived to be diagnosed",
            ),
            notes=(
                "Three subjects died on the day of the sample (time 0).",
                "Follow-up ends on a common date, so the censoring time depends on sample.yr.",
            ),
        ),
    ),
    "gbsg2": Bundled(
        function="load_gbsg2",
        card=Card(
            name="gbsg2",
            n=686,
            events=299,
            time_unit="days, to recurrence or death",
            source="Schumacher et al. (1994), J Clin Oncol 12: German Breast Cancer Study Group "
            "trial 2; R package TH.data, by way of scikit-survival",
            licence=_LICENCE,
        ),
    ),
    "whas500": Bundled(
        function="load_whas500",
        card=Card(
            name="whas500",
            n=500,
            events=215,
            time_unit="days since hospital admission",
            source="Hosmer, Lemeshow, May (2008), Applied Survival Analysis: Worcester Heart "
            "Attack Study, by way of scikit-survival",
            licence=_LICENCE,
            dropped_columns={
                "los": "length of the stay, known only at its end: for the 40 whose stay "
                "ended in death it is the time of death"
            },
            known_leaks=(
                "sho, chf and av3 are complications that may have set in after admission",
            ),
        ),
    ),
    "veteran": Bundled(
        function="load_veterans_lung_cancer",
        card=Card(
            name="veteran",
            n=137,
            events=128,
            time_unit="days since randomisation",
            source="Kalbfleisch and Prentice (1980), The Statistical Analysis of Failure Time "
            "Data: Veterans' Administration lung cancer trial, by way of scikit-survival",
            licence=_LICENCE,
        ),
    ),
    "rossi": Bundled(
        function="load_rossi",
        module="lifelines.datasets",
        outcome=("arrest", "week"),
        card=Card(
            name="rossi",
            n=432,
            events=114,
            time_unit="weeks since release from prison, to the first arrest",
            source="Rossi, Berk, Lenihan (1980), Money, Work, and Crime, by way of lifelines",
            licence=_LIFELINES,
        ),
    ),
    "lung": Bundled(
        function="load_lung",
        module="lifelines.datasets",
        outcome=("status", "time"),
        categorical=("inst", "sex"),
        card=Card(
            name="lung",
            n=228,
            events=165,
            time_unit="days since entry, to death",
            source="Loprinzi et al. (1994), J Clin Oncol 12: North Central Cancer Treatment Group; "
            "R package survival, by way of lifelines",
            licence=_LIFELINES,
            notes=("inst, the enrolling institution, is a category.",),
        ),
    ),
    "bmt": Bundled(
        function="load_bmt",
        cause_names=("TRM", "relapse"),
        card=Card(
            name="bmt",
            n=35,
            events=24,
            causes={"TRM": 9, "relapse": 15},
            time_unit="months since transplantation, to the first of transplant-related death "
            "(TRM) and relapse",
            source="Scrucca, Santucci, Aversa (2007), Bone Marrow Transplant 40: stem cell "
            "transplantation in acute leukaemia, by way of scikit-survival",
            licence=_LICENCE,
            notes=(
                "The one feature is dis, the leukaemia: 0 lymphoblastic (ALL), 1 myeloid (AML).",
                "With 35 patients no model can be judged: it serves to check estimates against "
                "published ones. Two patients have a time of 0.",
            ),
        ),
    ),
    "cgvhd": Bundled(
        function="load_cgvhd",
        cause_names=("cGVHD", "relapse", "death"),
        card=Card(
            name="cgvhd",
            n=100,
            events=96,
            causes={"cGVHD": 86, "relapse": 5, "death": 5},
            time_unit="years since transplantation, to the first of chronic graft-versus-host "
            "disease (cGVHD), relapse and death",
            source="Pintilie (2006), Competing Risks: A Practical Perspective: 100 patients of a "
            "trial of peripheral blood and bone marrow in myeloid malignancies, by way of "
            "scikit-survival",
            licence=_LICENCE,
            known_leaks=(
                "extent is limited or extensive, as chronic graft-versus-host disease is graded "
                "once it is there; the source calls it the extent of disease and does not say "
                "when it was recorded",
            ),
            notes=(
                "A sample in which nearly everybody has the event: 4 patients are censored, and "
                "relapse and death have 5 events each. Read their metrics with their intervals.",
                "The loader leaves out acute graft-versus-host disease, which comes after entry.",
            ),
        ),
    ),
}


def load_bundled(name: str, **common: Unpack[CommonParameters]) -> Dataset:
    """Load one of the datasets in `BUNDLED`; its data must be those that the card describes."""
    return build_dataset(_table(name), BUNDLED[name].card, **common)


def load_bundled_causes(
    name: str, *, cause_of_interest: str | None = None, **common: Unpack[CommonParameters]
) -> Dataset:
    """Load one of the datasets in `BUNDLED` whose event has several causes, as `load_bundled`.

    Where a cause of interest is named, its events alone count, as in `build_dataset`.
    """
    card = BUNDLED[name].card
    return build_dataset(_table(name), card, cause_of_interest=cause_of_interest, **common)


def _table(name: str) -> RawTable:
    bundled = BUNDLED[name]
    loaded = getattr(import_module(bundled.module), bundled.function)()
    if bundled.outcome is None:
        features, outcome = loaded
        event, time = (np.asarray(outcome[field]) for field in outcome.dtype.names)
    else:
        event, time = (loaded[column].to_numpy() for column in bundled.outcome)
        features = loaded.drop(columns=list(bundled.outcome))
    cause, names = event.astype(np.int64), bundled.cause_names
    event, time = event.astype(np.bool_), time.astype(np.float64)
    counts = counts_by_name(cause, names) if names else {}
    bundled.card.check(len(features), int(event.sum()), counts)
    features = features.drop(columns=list(bundled.card.dropped_columns))
    for column in bundled.ordered:
        features[column] = as_numbers(features[column])
    categories = (*features.select_dtypes("category").columns, *bundled.categorical)
    return RawTable(
        features, event, time, categories, cause=cause if names else None, cause_names=names
    )

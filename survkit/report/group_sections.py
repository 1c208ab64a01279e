"""The part of a report on the groups that mixtures of experts make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from survkit.metrics.clustering import chosen_expert, expert_load, router_entropy
from survkit.models.calibrated import without_calibration
from survkit.pages.document import Picture, Section
from survkit.pages.svg import draw_svg, height_with_legend
from survkit.report.expert_figures import (
    aalen_johansen_by_expert,
    expert_load_bars,
    expert_prototypes,
    kaplan_meier_by_expert,
    router_heatmap,
)
from survkit.report.group_tables import pairwise_agreement, unrouted_experts
from survkit.report.material import Material
from survkit.report.profiles import cohort_profile, profile_heatmap
from survkit.runs.predictions import read_test_predictions
from survkit.runs.read import load_fitted
from survkit.runs.table import seed_text
from survkit.training.neural_model import NeuralSurvivalModel
from survkit.types import FloatArray, InputError, SurvivalModel

PROFILE_FEATURES = 20


def mixture_section(material: Material) -> tuple[Section, pd.DataFrame]:
    """Return the part on each mixture's groups, empty without mixtures, and their profiles.

    The profiles are the frames of `cohort_profile` with a first column `model`.
    """
    parts, profiles = [], []
    for model in material.models:
        runs = material.runs_of(model)
        weights = [p.expert_weights for p in read_test_predictions(list(runs["path"]))[0]]
        known = [w for w in weights if w is not None]
        if len(known) < len(weights) or not weights:
            continue
        profile = _profile(material, known[0])
        if profile is not None:
            profiles.append(profile.assign(model=model)[["model", *profile.columns]])
        parts.append(_mixture_part(material, model, runs, known, profile))
    section = Section(
        "What the groups are",
        (
            "A test subject belongs to the expert of its largest router weight. Figures show the "
            "first seed; the adjusted Rand index tells how far the groups of two seeds agree "
            "(1: the same groups, 0: no more than by chance).",
        ),
        parts=tuple(parts),
    )
    return section, pd.concat(profiles) if profiles else pd.DataFrame()


def _mixture_part(
    material: Material,
    model: str,
    runs: pd.DataFrame,
    weights: Sequence[FloatArray],
    profile: pd.DataFrame | None,
) -> Section:
    first = weights[0]
    fitted = _fitted(Path(runs["path"].iloc[0]))
    pictures = [
        Picture(
            draw_svg(
                partial(expert_load_bars, first),
                width=max(3.8, 0.3 * first.shape[1]),
                height=3.6,
                label=f"expert load of {model}",
            ),
            "Share of the test subjects of each expert, and its mean weight.",
        ),
        *_outcomes_by_expert(material, model, first),
        *_prototypes(material, model, fitted, first),
        *_labels(material, model, first),
        *_profile_picture(model, profile),
    ]
    return Section(model, _facts(weights, runs, fitted), pictures=tuple(pictures))


def _outcomes_by_expert(material: Material, model: str, weights: FloatArray) -> list[Picture]:
    """Return what happened to each expert's subjects: survival, or the incidence of each cause."""
    test, unit = material.test, material.time_unit
    height = height_with_legend(int((expert_load(weights) > 0).sum()) + 1)

    def picture(draw: Callable[..., object], what: str, caption: str) -> Picture:
        label = f"{what} by expert of {model}"
        drawn = partial(draw, weights, test, time_unit=unit)
        return Picture(draw_svg(drawn, width=4.8, height=height, label=label), caption)

    if not test.cause_names:
        caption = "Kaplan-Meier curves of the events of each expert's subjects."
        return [picture(kaplan_meier_by_expert, "Kaplan-Meier", caption)]
    return [
        picture(
            partial(aalen_johansen_by_expert, cause=cause),
            f"cumulative incidence of {name}",
            f"Aalen-Johansen curves of {name} among each expert's subjects.",
        )
        for cause, name in enumerate(test.cause_names, 1)
    ]


def _facts(
    weights: Sequence[FloatArray], runs: pd.DataFrame, fitted: SurvivalModel | str
) -> tuple[str, ...]:
    first = weights[0]
    experts = first.shape[1]
    empty = [str(expert) for expert in unrouted_experts(expert_load(first))]
    facts = [
        f"{experts} experts, seed {seed_text(runs['seed'].iloc[0])}. "
        + (
            f"Unused experts, which are first choice for no test subject: {', '.join(empty)}. "
            if empty
            else ""
        )
        + f"Mean entropy of the weights {router_entropy(first).mean():.2f} of at most "
        f"{np.log(experts):.2f} nats."
    ]
    if isinstance(fitted, str):
        facts.append(f"Its experts' prototypes, if any, are not shown: {fitted}.")
    if len(weights) > 1:
        index = pairwise_agreement(weights).values()
        pairs = f"{len(index)} pair{'s' if len(index) > 1 else ''} of seeds"
        facts.append(
            f"Adjusted Rand index over {pairs}: mean {np.mean(list(index)):.2f}"
            + (f" ({min(index):.2f} to {max(index):.2f})." if len(index) > 1 else ".")
        )
    return tuple(facts)


def _prototypes(
    material: Material, model: str, fitted: SurvivalModel | str, weights: FloatArray
) -> list[Picture]:
    if not (isinstance(fitted, NeuralSurvivalModel) and hasattr(fitted.network.head, "prototypes")):
        return []
    clock = " on its own clock, before it is warped" if fitted.head == "adjustable_moe" else ""
    svg = draw_svg(
        partial(expert_prototypes, fitted, load=expert_load(weights), time_unit=material.time_unit),
        width=4.8,
        height=height_with_legend(1 + int((expert_load(weights) > 0).sum())),
        label=f"expert prototypes of {model}",
    )
    return [Picture(svg, f"Survival curve of each expert's prototype{clock}.")]


def _fitted(path: Path) -> SurvivalModel | str:
    """Return a run's model without calibration, or why it cannot be read."""
    try:
        return without_calibration(load_fitted(path).model)
    except InputError as error:
        return str(error)


def _labels(material: Material, model: str, weights: FloatArray) -> list[Picture]:
    label = material.test.label
    if label is None:
        return []
    svg = draw_svg(
        partial(router_heatmap, weights, label),
        width=1.5 + 0.36 * weights.shape[1],
        height=1 + 0.3 * len(np.unique(label)),
        label=f"router weights by label of {model}",
    )
    return [Picture(svg, "Mean router weight by known label, in percent.", wide=True)]


def _profile(material: Material, weights: FloatArray) -> pd.DataFrame | None:
    if material.dataset is None or len(np.unique(chosen_expert(weights))) < 2:
        return None
    return cohort_profile(weights, material.test, material.dataset.preprocessor)


def _profile_picture(model: str, profile: pd.DataFrame | None) -> list[Picture]:
    # Between groups in which no feature varies there is no standardised difference.
    if profile is None or profile["difference"].isna().all():
        return []
    features = min(PROFILE_FEATURES, profile["feature"].nunique())
    svg = draw_svg(
        partial(profile_heatmap, profile, features=features),
        width=2.6 + 0.45 * max(profile["expert"].nunique(), 4),
        height=1.1 + 0.26 * features,
        label=f"features by expert of {model}",
    )
    caption = (
        "Standardised difference of each expert's subjects to all others, for the features that "
        "differ most (in brackets mean ± standard deviation, or share, of all; missing numbers "
        "count as imputed). All features are in profiles.csv."
    )
    return [Picture(svg, caption, wide=True)]

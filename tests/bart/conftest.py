"""The rossi data, and one fit of it by each engine that several modules look at."""

from __future__ import annotations

import pytest
from lifelines.datasets import load_rossi

from survkit.bart.chains import SamplerSettings
from survkit.bart.model import Bart
from survkit.types import SurvivalData

BINARY = ("fin", "race", "wexp", "mar", "paro")


@pytest.fixture(scope="session")
def rossi() -> SurvivalData:
    """432 prisoners after release: week of arrest, or of the end of the study."""
    table = load_rossi()
    covariates = table.drop(columns=["week", "arrest"])
    return SurvivalData(
        covariates.to_numpy("float32"),
        table["arrest"].to_numpy(bool),
        table["week"].to_numpy(float),
        feature_names=tuple(covariates.columns),
    )


def fit(data: SurvivalData, backend: str, **settings: int) -> Bart:
    rules = dict.fromkeys(BINARY, "one_hot")
    model = Bart(settings=SamplerSettings(backend=backend, **settings), split_rules=rules)
    return model.fit(data, scale=4)


@pytest.fixture(scope="session")
def rossi_stochtree(rossi: SurvivalData) -> Bart:
    return fit(rossi, "stochtree", chains=2, tune=100, draws=200, sweeps=5)


@pytest.fixture(scope="session")
def rossi_pymc(rossi: SurvivalData) -> Bart:
    return fit(rossi, "pymc", chains=2, tune=100, draws=100)

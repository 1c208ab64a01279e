"""Packages the folder args/ as survkit.args; all else about the package is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["survkit*"]), "survkit.args"],
    package_dir={"survkit.args": "args"},
    package_data={
        "survkit": ["py.typed", "pages/*.jinja"],
        "survkit.datasets.collections": ["*.toml", "*.json"],
        "survkit.args": ["*.args", "*.yaml"],
    },
)

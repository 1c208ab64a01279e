"""Makes datasets ready: downloads, checks and caches them, and prints their cards.

python -m survkit.datasets prepare support2 mnist sepsis --data_dir data
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import takewhile

from survkit.cli import run_command
from survkit.configs.args_file import parse_configs
from survkit.configs.train import TrainConfig
from survkit.datasets import DATASETS, load_dataset, load_parameters
from survkit.types import InputError

PROG = "survkit.datasets"
PREPARE = "prepare"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    argv = sys.argv[1:] if argv is None else argv

    def command() -> None:
        words = list(takewhile(lambda word: not word.startswith("-"), argv))
        (config,) = parse_configs(
            (TrainConfig,),
            argv[len(words) :],
            prog=PROG,
            description=f"{PREPARE} NAME ...: download, check and cache datasets, print their "
            "cards. The flags are those of survkit.train; the ones about data count.",
            words={"datasets": ", ".join(DATASETS), "models": "those of survkit.train"},
        )
        if words[:1] != [PREPARE]:
            raise InputError(f"the command is '{PREPARE} NAME ...', as {PREPARE} support2 mnist")
        prepare(words[1:], config)

    return run_command(PROG, command)


def prepare(names: Sequence[str], config: TrainConfig) -> None:
    """Load each dataset, which downloads, checks and caches it, and print its card.

    Any number of processes may do this at once. An unknown name is refused before anything loads.
    """
    if not names:
        raise InputError(f"name the datasets to prepare: {', '.join(DATASETS)}")
    parameters = {name: load_parameters(name) for name in names}
    for name in names:
        dataset = load_dataset(name, **{each: getattr(config, each) for each in parameters[name]})
        sizes = dict(zip(dataset.splits._fields, map(len, dataset.splits), strict=True))
        rows = ", ".join(f"{part} {size:,}" for part, size in sizes.items())
        print(f"{dataset.card}\n  rows: {rows}; {dataset.splits.train.features.shape[1]} features")
        for warning in dataset.warnings:
            print(f"  warning: {warning}")


if __name__ == "__main__":
    sys.exit(main())

"""Lists all datasets, or makes some ready: downloads, checks, caches them and prints their cards.

python -m survkit.datasets list
python -m survkit.datasets prepare support2 mnist survset:nki70 --data_dir data
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import takewhile

from survkit.cli import run_command
from survkit.configs.args_file import build_config, given_flags
from survkit.configs.train import TrainConfig
from survkit.datasets import known_datasets, load_dataset, load_parameters
from survkit.datasets.collections.listing import lines
from survkit.types import InputError

PROG = "survkit.datasets"
PREPARE, LIST = "prepare", "list"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    argv = sys.argv[1:] if argv is None else argv

    def command() -> None:
        words = list(takewhile(lambda word: not word.startswith("-"), argv))
        given = given_flags(
            (TrainConfig,),
            argv[len(words) :],
            prog=PROG,
            description=f"{LIST}: show every dataset with its size. {PREPARE} NAME ...: download, "
            "check and cache datasets, print their cards. The flags are those of survkit.train "
            "that the datasets read.",
            words={"datasets": known_datasets(), "models": "those of survkit.train"},
        )
        if words[:1] == [LIST]:
            show_list(words[1:], given.typed)
            return
        if words[:1] != [PREPARE]:
            raise InputError(
                f"the command is '{LIST}' or '{PREPARE} NAME ...', such as {PREPARE} support2 mnist"
            )
        prepare(words[1:], build_config(TrainConfig, given.values), given.typed)

    return run_command(PROG, command)


def show_list(names: Sequence[str], typed: Iterable[str] = ()) -> None:
    """Print every dataset with its size.

    Raises
    ------
    InputError
        For a name or a flag, which have no meaning here.
    """
    if extra := [*names, *(f"--{flag}" for flag in typed)]:
        raise InputError(f"'{LIST}' shows every dataset and takes no {extra[0]}")
    print("\n".join(lines()))


def prepare(names: Sequence[str], config: TrainConfig, typed: Iterable[str] = ()) -> None:
    """Load each dataset, which downloads, checks and caches it, and print its card.

    Any number of processes may do this at once.

    Raises
    ------
    InputError
        For no name or an unknown one, or a flag in `typed` that none of the datasets reads, before
        anything is loaded; for data that cannot be used.
    """
    if not names:
        raise InputError(f"name the datasets to prepare: {known_datasets()}")
    parameters = {name: load_parameters(name) for name in names}
    read = set().union(*parameters.values())
    if unread := [f"--{flag}" for flag in typed if flag not in read]:
        raise InputError(f"{', '.join(unread)}: not read by {' or '.join(names)}")
    for name in names:
        dataset = load_dataset(name, **{each: getattr(config, each) for each in parameters[name]})
        sizes = dict(zip(dataset.splits._fields, map(len, dataset.splits), strict=True))
        rows = ", ".join(f"{part} {size:,}" for part, size in sizes.items())
        print(f"{dataset.card}\n  rows: {rows}; {dataset.splits.train.features.shape[1]} features")
        for warning in dataset.warnings:
            print(f"  warning: {warning}")


if __name__ == "__main__":
    sys.exit(main())

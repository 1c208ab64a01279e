"""Tries configurations of a model, chooses one by the validation rows and tests it once.

python -m survkit.search --dataset flchain --model mtlr --trials 50
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from survkit.cli import run_command
from survkit.configs.args_file import given_flags
from survkit.configs.search import SearchConfig
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.extras import require
from survkit.runs.flags import registry_names

PROG = "survkit.search"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status, which is not 0 where no trial or a seed failed."""
    argv = sys.argv[1:] if argv is None else argv

    def command() -> int:
        given = given_flags(
            (SearchConfig, WandbConfig, TrainConfig),
            argv,
            prog=PROG,
            description=str(__doc__),
            words=registry_names(),
        )
        require(("optuna",), "a search")
        from survkit.search.run import search  # with optuna and torch

        return search(given)

    return run_command(PROG, command)


if __name__ == "__main__":
    sys.exit(main())

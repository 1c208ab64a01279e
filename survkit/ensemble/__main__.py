"""Combines finished runs into ensembles, evaluated and recorded as runs like any other.

python -m survkit.ensemble --log_dir logs --group support2
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survkit.cli import run_command
from survkit.configs.args_file import parse_configs
from survkit.configs.finished_runs import EnsembleConfig
from survkit.types import InputError

# The heavy imports stand in the functions below, so that --help answers at once.
if TYPE_CHECKING:
    from survkit.ensemble.candidates import Candidate

PROG = "survkit.ensemble"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    argv = sys.argv[1:] if argv is None else argv

    def command() -> None:
        (config,) = parse_configs((EnsembleConfig,), argv, prog=PROG, description=str(__doc__))
        make_ensembles(config, argv)

    return run_command(PROG, command)


def make_ensembles(config: EnsembleConfig, argv: Sequence[str] = ()) -> list[Path]:
    """Make the records of ensembles, unless they are there already, and return their folders.

    Raises
    ------
    InputError
        For runs that cannot be combined, with the reasons.
    """
    import torch

    from survkit.ensemble.candidates import find_candidates
    from survkit.ensemble.record import Choices, ensemble_id, make_record
    from survkit.models.size import check_bootstrap
    from survkit.runs.folder import RunFolder
    from survkit.runs.predictions import load_recorded_dataset
    from survkit.runs.results import say_complete, show

    torch.set_num_threads(1)  # as in training: the same bits
    group = str(config.group)
    candidates, notes = find_candidates(Path(config.log_dir), group, config.models)
    ensembles = _planned(candidates, notes, select=config.select)
    dataset = load_recorded_dataset(candidates[0].runs[0], config.data_dir)
    check_bootstrap(config.bootstrap, len(dataset.splits.test))
    if dataset.splits.validation.entry is not None and (config.select or config.calibrate):
        flag = "--select" if config.select else "--calibrate"
        raise InputError(
            f"{flag} does not correct for subjects who come under observation late "
            "(--entry_column); leave it out"
        )
    choices = Choices(config.select, config.calibrate, config.bootstrap)
    for note in notes:
        print(f"left out: {note}", file=sys.stderr)
    folders = []
    for members in ensembles:
        folder = RunFolder(Path(config.log_dir) / group / ensemble_id(members, choices))
        with folder.lock():
            result = None if config.overwrite else folder.result()
            if result is None:
                command = ["python", "-m", PROG, *argv]
                result = make_record(members, choices, dataset, folder, command)
            else:
                say_complete(folder, result, overwriting="makes it again")
        show(folder, result)
        _show_members(result)
        folders.append(folder.path)
    return folders


def _planned(
    candidates: Sequence[Candidate], notes: list[str], *, select: bool
) -> list[list[Candidate]]:
    """Return the candidates of each ensemble, and note why others are none."""
    from survkit.ensemble.candidates import why_not_a_member, why_not_over_seeds

    why_not = why_not_a_member if select else why_not_over_seeds
    reasons = [why_not(candidate) for candidate in candidates]
    notes += [reason for reason in reasons if reason]
    usable = [c for c, reason in zip(candidates, reasons, strict=True) if reason is None]
    if not usable:
        raise InputError(f"there is nothing to combine: {'; '.join(notes)}")
    if not select:
        return [[candidate] for candidate in usable]
    if len(usable) < 2:
        raise InputError(
            f"--select chooses among models, but {usable[0].label} is the only one; "
            + "; ".join([*notes, "leave out --select for an ensemble over its seeds"])
        )
    return [usable]


def _show_members(result: Mapping[str, Any]) -> None:
    chosen = {row["model"]: row["weight"] for row in result["selection"] or () if row["weight"]}
    weights = "".join(f", {label} {weight:.2f}" for label, weight in chosen.items())
    print(f"ensemble of {len(result['members'])} runs{weights}")


if __name__ == "__main__":
    sys.exit(main())

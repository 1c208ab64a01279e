"""Predicts survival for new patients with the model of a finished run.

python -m survkit.predict --run logs/support2/RUN_ID --csv patients.csv --times 30 180 365
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from survkit import __version__
from survkit.cli import run_command
from survkit.configs.args_file import parse_configs
from survkit.configs.finished_runs import PredictConfig
from survkit.types import InputError

# The functions below import the heavy modules, so that --help answers at once.
if TYPE_CHECKING:
    from survkit.predict.similar import SimilarPatients
    from survkit.runs.patients import Patients
    from survkit.runs.read import FittedRun

PROG = "survkit.predict"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    argv = sys.argv[1:] if argv is None else argv

    def command() -> None:
        (config,) = parse_configs((PredictConfig,), argv, prog=PROG, description=str(__doc__))
        predict(config)

    return run_command(PROG, command)


def predict(config: PredictConfig) -> Path:
    """Write the predictions for a table of patients, as `prediction_table`; returns the file.

    Nothing is written for a run, a table or a time that cannot be used.
    """
    from survkit.files import write_bytes
    from survkit.pages.csv_tables import spreadsheet_csv
    from survkit.predict.tables import bounds_in, number_text, prediction_table, screen_table
    from survkit.runs.patients import read_patients
    from survkit.runs.read import load_fitted
    from survkit.runs.record_files import read_result

    source = Path(str(config.csv))
    out = Path(config.out or source.with_name(f"{source.stem}_predictions.csv"))
    if out.resolve() == source.resolve():
        raise InputError(f"--out is {out}, the table of the patients itself")
    run = load_fitted(str(config.run))
    result = read_result(Path(str(config.run))) or {}
    unit = result.get("time_unit", "the unit of the run's data")
    patients, notes = read_patients(source, run, config.id_column)
    if run.survkit_version != __version__:
        notes.insert(0, f"the run was made by survkit {run.survkit_version}, this is {__version__}")
    horizon = float(run.model.knots.times[-1])
    beyond = [number_text(time) for time in config.times if time > horizon]
    if beyond:
        raise InputError(
            f"--times {' '.join(beyond)}: the run's horizon is {number_text(horizon)} ({unit}); "
            "nothing is predicted beyond it"
        )
    similar, why_not = _similar_patients(config, run, patients)
    table = prediction_table(patients, run.model, config.times, similar, run.cause_names)
    vacuous = sum(int((table[name] == 0).sum()) for name in bounds_in(map(str, table)))
    if vacuous:
        notes.append(f"{vacuous} of {len(table)} lower bounds are 0 and say nothing")
    write_bytes(out, spreadsheet_csv(table))
    for note in (*notes, *why_not):
        print(f"warning: {note}", file=sys.stderr)
    print(screen_table(table, horizon=horizon))
    print(f"time in {unit}\nsaved {out}")
    return out


def _similar_patients(
    config: PredictConfig, run: FittedRun, patients: Patients
) -> tuple[SimilarPatients | None, list[str]]:
    """Return the similar training patients, or None, and why there are none or few."""
    from survkit.predict.similar import DEFAULT_NUMBER, has_hidden_space, similar_patients

    number = config.similar
    if number is None:
        number = DEFAULT_NUMBER if has_hidden_space(run) else 0
    if number == 0:
        return None, []
    try:
        similar = similar_patients(run, patients.features, number, config.data_dir)
    except InputError as error:
        return None, [f"no similar training patients are named: {error}"]
    few = int((similar.positions < 0).any(axis=1).sum())
    who = "1 patient shares its" if few == 1 else f"{few} patients share their"
    note = f"{who} expert with fewer than {number} training patients"
    return similar, [note] if few else []


if __name__ == "__main__":
    sys.exit(main())

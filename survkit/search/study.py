"""The trials of a search, kept by optuna in a journal that survives a kill."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from survkit.checked_files import DamagedError
from survkit.files import writing
from survkit.models.search_spaces import Choices, Space
from survkit.search.space import is_whole

JOURNAL = "search.journal"
_NAME = "search"
_NOTE, _RUNS = "note", "runs"


class Ended(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"  # its training was far behind others
    FAILED = "failed"


_STATES = {
    Ended.COMPLETE: TrialState.COMPLETE,
    Ended.PRUNED: TrialState.PRUNED,
    Ended.FAILED: TrialState.FAIL,
}


class Trial(NamedTuple):
    """One configuration that a search tries.

    Parameters
    ----------
    number : int
        From 0.
    parameters : mapping
        The flags of the space, each with its value.
    ended : Ended, optional
        How it ended; None while it is to be run.
    value : float, optional
        The metric, of a complete trial.
    note : str
        Why it failed or was pruned.
    runs : tuple of str
        The identifiers of its runs.
    """

    number: int
    parameters: Mapping[str, Any]
    ended: Ended | None = None
    value: float | None = None
    note: str = ""
    runs: tuple[str, ...] = ()


class Study:
    """The trials of one search; the caller keeps other processes away.

    Every choice of a trial is drawn from random numbers of its own, so that a search that was
    interrupted, even between two of them, tries the same configurations as one that was not, where
    one trial runs at a time.

    Parameters
    ----------
    folder : Path
        Where the journal is, or will be.
    space : mapping
        What is varied.
    defaults : mapping
        The configuration that is tried first, where the space contains it.
    seed : int
        Seed of the choices.
    maximize : bool
        Whether more of the metric is better.

    Raises
    ------
    DamagedError
        For a journal that cannot be read.
    InputError
        Where it cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        space: Space,
        *,
        defaults: Mapping[str, Any] | None,
        seed: int,
        maximize: bool,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._seed, self.maximize = space, seed, maximize
        self._path = path = folder / JOURNAL
        with writing(path):
            _mend(path)
            try:
                self._storage = JournalStorage(JournalFileBackend(str(path)))
                self._study = optuna.create_study(
                    storage=self._storage,
                    study_name=_NAME,
                    direction="maximize" if maximize else "minimize",
                    load_if_exists=True,
                )
            except OSError:
                raise
            except Exception as error:  # what its lines make optuna raise
                raise DamagedError(path, f"optuna cannot read it: {error}") from None
            if defaults is not None and not self._study.get_trials(deepcopy=False):
                self._study.enqueue_trial(dict(defaults))

    def trials(self) -> list[Trial]:
        """Return all trials that were begun, by number."""
        frozen = self._study.get_trials(deepcopy=False)
        return [_trial(t) for t in frozen if t.state is not TrialState.WAITING]

    def finished(self) -> list[Trial]:
        """Return the trials that have ended, by number."""
        return [trial for trial in self.trials() if trial.ended]

    def ask(self, number: int | None = None) -> Trial:
        """Return a new trial, or one that was begun before and has not ended, by its number.

        A kill may have come before all of its parameters were chosen; those that were stay.
        """
        with writing(self._path):
            return self._ask(number)

    def _ask(self, number: int | None) -> Trial:
        if number is None:
            trial = self._study.ask()
        else:
            trial = optuna.trial.Trial(self._study, self._trial_id(number))
        for flag, domain in self._space.items():
            seed = _seed_of(self._seed, trial.number, flag)
            self._study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
            if isinstance(domain, Choices):
                trial.suggest_categorical(flag, list(domain.values))
            elif is_whole(flag):
                trial.suggest_int(flag, int(domain.low), int(domain.high), log=domain.log)
            else:
                trial.suggest_float(flag, domain.low, domain.high, log=domain.log)
        return Trial(trial.number, trial.params)

    def tell(
        self,
        number: int,
        ended: Ended,
        *,
        value: float | None = None,
        note: str = "",
        runs: tuple[str, ...] = (),
    ) -> None:
        """Record how a trial ended."""
        trial_id = self._trial_id(number)
        with writing(self._path):
            self._storage.set_trial_user_attr(trial_id, _NOTE, note)
            self._storage.set_trial_user_attr(trial_id, _RUNS, list(runs))
            self._study.tell(number, value, _STATES[ended])

    def best(self) -> Trial | None:
        """Return the complete trial of the best value, of equal ones the first."""
        complete = [trial for trial in self.finished() if trial.value is not None]
        sign = -1 if self.maximize else 1
        return min(complete, key=lambda trial: sign * (trial.value or 0.0), default=None)

    def _trial_id(self, number: int) -> int:
        study_id = self._storage.get_study_id_from_name(_NAME)
        return self._storage.get_trial_id_from_study_id_trial_number(study_id, number)


def _trial(frozen: FrozenTrial) -> Trial:
    ended = next((ended for ended, state in _STATES.items() if state is frozen.state), None)
    return Trial(
        frozen.number,
        dict(frozen.params),
        ended,
        frozen.value if ended is Ended.COMPLETE else None,
        str(frozen.user_attrs.get(_NOTE, "")),
        tuple(frozen.user_attrs.get(_RUNS, ())),
    )


def _seed_of(seed: int, number: int, flag: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {number} {flag}".encode()).digest()[:4])


def _mend(path: Path) -> None:
    """Make a journal fit to be continued: no half line at its end, and no lock of a killed process.

    optuna appends to the file as it is, and a half line followed by another can never be read.
    """
    for left in path.parent.glob(f"{path.name}.lock*"):
        left.unlink()
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    lines = whole.splitlines(keepends=True)
    if lines and not _is_json(lines[-1]):
        raise DamagedError(path, f"line {len(lines)} is no entry of a journal")
    if len(whole) < len(content):
        os.truncate(path, len(whole))


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True

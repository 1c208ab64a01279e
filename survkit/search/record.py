"""The file `search.json`: what a search is, what it tried, what it chose and when."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import survkit
from survkit.checked_files import DamagedError, read_json
from survkit.files import write_bytes
from survkit.search.study import Ended, Trial
from survkit.text import shown
from survkit.types import InputError

FILE = "search.json"

_TYPES: dict[str, type | tuple[type, ...]] = {
    "search": dict,
    "trials": int,
    "tried": list,
    "chosen": (dict, type(None)),
    "closed_at": (str, type(None)),
    "tested_from": (str, type(None)),
}


class SearchRecord:
    """What is known of a search, in its file.

    Parameters
    ----------
    folder : Path
        The group's folder.
    search : mapping
        What decides the trials: dataset, model, flags, space, metric, folds and seed, as plain
        values.

    Raises
    ------
    InputError
        Where the folder has another search, with what differs.
    DamagedError
        Where the file is no record of a search.
    """

    def __init__(self, folder: Path, search: Mapping[str, Any]) -> None:
        self._path = folder / FILE
        self.exists = self._path.exists()
        self.content: dict[str, Any] = {
            "search": json.loads(json.dumps(search)),
            "survkit_version": survkit.__version__,
            "trials": 0,
            "tried": [],
            "chosen": None,
            "reason": None,
            "closed_at": None,
            "tested_from": None,
            "final_runs": [],
        }
        if self.exists:
            found = self._checked(read_json(self._path))
            self._refuse_other(found["search"])
            self.content |= found

    def _checked(self, found: Any) -> dict[str, Any]:
        if not isinstance(found, dict):
            raise DamagedError(self._path, "it is no record of a search")
        for key, types in _TYPES.items():
            if key not in found or not isinstance(found[key], types):
                raise DamagedError(self._path, f"its '{key}' is {shown(found.get(key))}")
        return found

    def _refuse_other(self, earlier: Mapping[str, Any]) -> None:
        """Refuse to continue a search with other settings; say what differs."""
        now = self.content["search"]
        differ = [
            f"{what} was {was} and is {value}"
            for key in dict.fromkeys((*earlier, *now))
            for what, was, value in _differences(key, earlier.get(key), now.get(key))
        ]
        if differ:
            raise InputError(
                f"{self._path.parent} has another search: {'; '.join(differ)}. Continue that one "
                "with its own flags, or choose another --group"
            )

    @property
    def is_closed(self) -> bool:
        """Whether a configuration has been chosen."""
        return self.content["closed_at"] is not None

    @property
    def is_tested(self) -> bool:
        """Whether the test rows have been, or may have been, looked at."""
        return self.content["tested_from"] is not None

    @property
    def chosen(self) -> dict[str, Any]:
        """The chosen trial: its number, value and parameters."""
        return dict(self.content["chosen"])

    def plan(self, trials: int, begun: int) -> None:
        """Note how many trials there are to be, beside those begun; more reopen a closed search.

        Raises
        ------
        InputError
            For fewer trials than were planned and begun, or others once the choice was tested.
        """
        before = self.content["trials"]
        if self.is_closed and trials != before:
            if self.is_tested:
                raise InputError(
                    f"the search in {self._path.parent} is closed after {before} trials, and its "
                    "choice has been tested: more trials would be chosen with the test rows known; "
                    f"give --trials {before}, or choose another --group"
                )
            if trials < before:
                raise InputError(
                    f"the search in {self._path.parent} was closed after {before} trials; --trials "
                    "can only grow"
                )
            self.content |= {"closed_at": None, "chosen": None, "reason": None}
        elif trials < begun:
            raise InputError(
                f"the search in {self._path.parent} has begun {begun} trials; --trials must be at "
                f"least {begun}"
            )
        self.content["trials"] = trials
        self._write()

    def note(self, tried: Sequence[Trial]) -> None:
        """Write down the trials so far."""
        self.content["tried"] = [_plain(trial) for trial in tried]
        self._write()

    def close(self, best: Trial, *, metric: str, maximize: bool) -> None:
        """Write down the choice; no trial follows, unless --trials grows before it is tested."""
        counts = Counter(trial["ended"] for trial in self.content["tried"])
        others = [f"{counts[e]} {e}" for e in (Ended.PRUNED, Ended.FAILED) if counts[e]]
        of_all = f" of {len(self.content['tried'])} trials" + (
            f" ({', '.join(others)})" if others else ""
        )
        extreme = "highest" if maximize else "lowest"
        self.content |= {
            "chosen": {
                "trial": best.number,
                "value": best.value,
                "parameters": dict(best.parameters),
            },
            "reason": f"the {extreme} {metric} of the validation rows{of_all}",
            "closed_at": _now(),
        }
        self._write()

    def begin_test(self, runs: Sequence[str]) -> None:
        """Write down, before it happens, that the test rows are looked at, and in which runs."""
        if not self.is_tested:
            self.content["tested_from"] = _now()
        known = self.content["final_runs"]
        self.content["final_runs"] = [*known, *(run for run in runs if run not in known)]
        self._write()

    def _write(self) -> None:
        content = json.dumps(self.content, indent=2, allow_nan=False)
        write_bytes(self._path, f"{content}\n".encode())


def _differences(key: str, was: Any, now: Any) -> list[tuple[str, str, str]]:
    """Return what differs between two values, and how; of flags each by itself."""
    if not (isinstance(was, dict) and isinstance(now, dict)):
        return [] if was == now else [(key, shown(was), shown(now))]
    differ = [name for name in {**was, **now} if was.get(name) != now.get(name)]
    return [(f"{name} ({key})", _of(was, name), _of(now, name)) for name in differ]


def _of(values: Mapping[str, Any], name: str) -> str:
    return shown(values[name]) if name in values else "absent"


def _plain(trial: Trial) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "ended": trial.ended,
        "value": trial.value,
        "parameters": dict(trial.parameters),
        "note": trial.note,
        "runs": list(trial.runs),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

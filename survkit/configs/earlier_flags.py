"""What became of the flags of the earlier code: those whose values differ here, and those gone.

A flag that is not named here is the same in both; `docs/migration.md` lists them all. Words are
rewritten before they are parsed, so that a run has the identifier that this project's own flags
give it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from survkit.configs.batch_run import BatchRunConfig
from survkit.configs.train import TrainConfig
from survkit.configs.words import by_flag
from survkit.types import InputError

VALUES: dict[str, dict[str, tuple[str, ...]]] = {
    "expert_metric": {
        "Cosine": ("--expert_metric", "dot"),  # that code normalised neither vector
        "Euclidean": ("--expert_metric", "euclidean"),
    },
    "time_warp_function": {
        "TwoLogistics": ("--time_warp_function", "two_logistics"),
        "BetaCDF": ("--time_warp_function", "beta_cdf"),
    },
    "num_hours": {"-1": ("--num_hours", "None")},
    "time_bins": {"-1": ("--time_bins", "336")},  # the hours of Sepsis' longest stay
    "support2_start_day": {"0": ("--support2_start_day", "None")},
    "monitored_val_metric": {"brier_score": ("--monitored_val_metric", "brier")},
    "num_runs": {"-1": ("--num_runs", "None")},
    "qos": {"none": ("--qos", "None")},
    "gpu_mb_per_job": {"-1": ("--max_per_gpu", "1")},
    "max_per_gpu": {"-1": ("--max_per_gpu", "1000")},
}
"""For each flag, the words that stand here for a value there."""

EACH_DIGIT: dict[str, Callable[[float], list[float]]] = {
    "mnist_means": lambda step: [1 + step * digit for digit in range(10)],
    "mnist_stds": lambda deviation: [deviation] * 10,
}
"""For each flag, what a single value there means for the ten digits."""


class Gone(NamedTuple):
    """A flag that has no counterpart here.

    Parameters
    ----------
    note : str
        What it did, and why nothing is needed here.
    accepted : tuple of str
        The values with which the numbers stay the same; none where every value is accepted.
    refusal : str
        Why the other values are refused.
    """

    note: str
    accepted: tuple[str, ...] = ()
    refusal: str = ""


GONE: dict[type, dict[str, Gone]] = {
    TrainConfig: {
        "cache_dataset": Gone("kept prepared data on disk; survkit does so where it saves time"),
        "save_model": Gone(
            "saved the weights of the best epoch; every record holds them",
            ("True",),
            "without it the last epoch was evaluated, and survkit always evaluates the best one",
        ),
        "model_dir": Gone("was the folder of saved weights; they are in the record, in --log_dir"),
        "model_hash": Gone("named the folder of saved weights; a record's folder is its run_id"),
        "loss": Gone(
            "chose the loss; the discrete survival likelihood is the only one",
            ("DiscreteSurvival",),
            "the only loss is DiscreteSurvival, the likelihood of events and censored times",
        ),
        "quantize_event_times": Gone(
            "assigned each time to an interval of the grid; survkit always does",
            ("True",),
            "the models need times that are assigned to the intervals of a grid",
        ),
        "adjust_eval": Gone(
            "adjusted the accuracy for censoring; survkit always does",
            ("True",),
            "survkit always adjusts the accuracy for censoring",
        ),
        "ipcw": Gone(
            "weighted the accuracy by the inverse probability of censoring; survkit always does",
            ("True",),
            "survkit always weights the accuracy by the inverse probability of censoring",
        ),
        "impute": Gone(
            "counted censored subjects with imputed outcomes; survkit never does",
            ("False",),
            "imputed outcomes of censored subjects would enter the metrics as if they were seen",
        ),
        "time_bin_pctiles": Gone(
            "chose the cuts of the metrics over time; survkit has these three",
            ("0.25 0.5 0.75",),
            "the metrics at cuts are for 0.25 0.5 0.75; --evaluation_times adds other times",
        ),
    },
    BatchRunConfig: {
        "use_threads": Gone("ran jobs side by side; --max_subprocesses says how many run at once"),
        "slurm_name": Gone("named the SLURM jobs; survkit names them after their runs"),
        "out_path": Gone("had no effect; the output of each job is in --log_dir"),
    },
}
"""For each config, the flags that it does not have."""


class Rewritten(NamedTuple):
    """Words without the flags and values of the earlier code, and a line about each that is gone.

    Parameters
    ----------
    words : list of str
    notes : list of str
    """

    words: list[str]
    notes: list[str]


def rewrite(words: Sequence[str], config_classes: Sequence[type]) -> Rewritten:
    """Rewrite the flags of the earlier code, as the configs that are parsed need them.

    Raises
    ------
    InputError
        For a flag that is gone with a value that would change a run's numbers.
    """
    gone = {name: flag for kind in config_classes for name, flag in GONE.get(kind, {}).items()}
    kept: list[str] = []
    last: list[str] = []  # of another flag, which wins over its own value
    notes: list[str] = []
    for given in by_flag(words):
        flag, equals, value = given[0].partition("=")
        values = [value, *given[1:]] if equals else given[1:]
        name = flag.removeprefix("--") if flag.startswith("--") else ""
        switched_off = name.removeprefix("no_")
        if name in gone:
            notes.append(_note(name, values or ["True"], gone[name]))
        elif name != switched_off in gone:
            notes.append(_note(switched_off, ["False", *values], gone[switched_off]))
        else:
            here = _words_here(name, values) or given
            of_another_flag = here[0].startswith("--") and not here[0].startswith(flag)
            (last if of_another_flag else kept).extend(here)
    return Rewritten([*kept, *last], list(dict.fromkeys(notes)))


def _note(name: str, values: Sequence[str], flag: Gone) -> str:
    """Return the line about a flag that is gone; InputError for a value that is refused."""
    value = " ".join(values)
    if flag.accepted and value.casefold() not in map(str.casefold, flag.accepted):
        raise InputError(f"--{name} {value}: {flag.refusal}; leave the flag out")
    return f"--{name} {flag.note}"


def _words_here(name: str, values: Sequence[str]) -> Sequence[str]:
    """Return the words that stand here for a flag's values there, none where they are the same."""
    if len(values) != 1:
        return ()
    values_there: Mapping[str, tuple[str, ...]] = VALUES.get(name, {})
    if values[0] in values_there:
        return values_there[values[0]]
    if name in EACH_DIGIT:
        try:
            return (f"--{name}", *map(str, EACH_DIGIT[name](float(values[0]))))
        except ValueError:  # no number; the parser says so
            return ()
    return ()

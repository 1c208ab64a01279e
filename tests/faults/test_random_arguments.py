"""Random flags and values end with 0, or with 2 and one line."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from survkit.configs.options import OptionType, option_type
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.models.registry import MODELS
from tests.faults.fuzzing import check_train, num_examples

JUNK = ["", " ", "-", "None", "nan", "inf", "1e3", "0x10", "9" * 5000, "a\0b", "a\nb", "\x1b[2J"]
JUNK += [
    "caf\udce9",
    "../..",
    "$(ls)",
    "%s",
    "{}",
    "\u0661",
    "\U0001d7d9",
    "--",
    "-1",
    "a" * 300,
    "\U0001f642",
]
WHOLE = ["-1", "0", "1", "2", "3", "7", "50", str(2**31), str(2**63), str(2**64), "1" + "0" * 30]
NUMBERS = ["0", "1", "-1", "0.5", "0.01", "1e-300", "1e-18", "1e18", "1e300", "1e308", "1e400"]
WORDS = {
    "dataset": ["synthetic", "synthetic", "veteran", "lung", "csv", "sepsis", "SUPPORT3"],
    "model": [*(name for name in MODELS if name != "bart"), "rfs"],
    "device": ["cpu", "cpu:0", "meta", "cuda:77", "mps", "cpu:1"],
    "monitored_val_metric": ["loss", "brier", "brier@50", "ece", "concordance", "brier@t=1"],
    "rsf_max_features": ["sqrt", "log2", "all", "1", "999999999"],
    "time_column": ["time", "a\nb"],
    "experiment_args": ["missing.args", ".", "/dev/zero"],
}
BOUNDED = [
    "--mode",
    "disabled",
    "--epochs",
    "1",
    "--bootstrap",
    "5",
    "--max_memory_gb",
    "0.3",
    "--log_dir",
    "logs",
]
"""Given last, so that what a run may cost stays small."""

SYNTHETIC = ["--dataset", "synthetic", "--synthetic_rows", "60"]
FIELDS: dict[str, OptionType] = {
    field.name: option_type(config, field.name)
    for config in (TrainConfig, WandbConfig)
    for field in dataclasses.fields(config)
}


def values_of(name: str) -> st.SearchStrategy[str]:
    """Return values for a flag: such as it takes, extreme ones, and none at all."""
    declared = FIELDS.get(name, OptionType(str, (), False, False))
    if name in WORDS or declared.choices:
        likely = [*WORDS.get(name, []), *declared.choices]
    else:
        kinds: dict[type, list[str]] = {int: WHOLE, float: NUMBERS, bool: ["True", "False"]}
        likely = kinds.get(declared.scalar, ["time", "event", "x"])
    text = st.text(st.characters(), max_size=8).map(lambda text: f"t{text.replace('/', '_')}")
    junk = JUNK if declared.scalar is not str or declared.choices else ["x" + j for j in JUNK[7:13]]
    return st.sampled_from(likely) | st.sampled_from(likely) | st.sampled_from(junk) | text


@st.composite
def arguments(draw: st.DrawFn) -> list[str]:
    """Draw some flags, each with one or several values."""
    argv = list(SYNTHETIC) if draw(st.booleans()) else []
    for name in draw(st.lists(st.sampled_from([*FIELDS, "experiment_args"]), max_size=4)):
        declared: Any = FIELDS.get(name)
        most = 3 if declared is not None and declared.several else 1
        values = draw(st.lists(values_of(name), min_size=1, max_size=most))
        if len(values) == 1:
            argv.append(f"--{name}={values[0]}")
        else:
            argv += [f"--{name}", *values]
    if not any(word.startswith("--dataset") for word in argv):
        argv += SYNTHETIC
    return argv


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_random_arguments_end_with_a_record_or_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SURVKIT_DATA_DIR", str(tmp_path))
    statuses = []

    @settings(
        max_examples=num_examples(25, 500),
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=num_examples(1, 0) == 1,
    )
    @given(arguments())
    def check(argv: list[str]) -> None:
        statuses.append(check_train([*argv, *BOUNDED]))

    check()
    assert set(statuses) == {0, 2}  # else the arguments are not random enough


@pytest.mark.parametrize(
    "argv",
    [
        ["--mnist_means", *["1e308"] * 10, "--dataset", "digits"],
        ["--mnist_means", *["1e-17"] * 10, "--mnist_stds", *["1e17"] * 10, "--dataset", "digits"],
        ["--group", "caf\udce9"],
        ["--log_dir", "caf\udce9"],
        ["--data_dir", "caf\udce9"],
        ["--csv_path", "caf\udce9.csv", "--dataset", "csv"],
        ["--caf\udce9", "1"],
        ["--a\x1b[2J\nb"],
        ["--log_dir", "x" * 300],
        ["--num_hidden_layers", "100000"],
        ["--time_bins", "100000000"],
        ["--moe_value_dim", "1" + "0" * 30, "--model", "personalized_moe"],
        ["--synthetic_rows", str(10**12)],
    ],
)
def test_what_was_once_a_traceback(
    argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = [] if "--dataset" in argv else SYNTHETIC[: 2 if "--synthetic_rows" in argv else 4]
    assert check_train([*BOUNDED, *data, *argv]) == 2
    assert not list(tmp_path.iterdir())

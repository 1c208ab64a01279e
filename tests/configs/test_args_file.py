from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survkit.configs.args_file import given_flags, parse_configs, read_args_file, to_arguments
from survkit.configs.batch_run import BatchRunConfig
from survkit.configs.groups import check_group
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.types import InputError


def parse(*argv: str) -> TrainConfig:
    train, _ = parse_configs(
        (TrainConfig, WandbConfig), argv, prog="survkit.train", description="Trains a model."
    )
    return train


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "some.args"
    path.write_text(text)
    return str(path)


def test_defaults_are_the_dataclass_defaults() -> None:
    assert parse() == TrainConfig()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--resume"], True),
        (["--resume", "True"], True),
        (["--resume", "false"], False),
        (["--resume=False"], False),
        (["--no_resume"], False),
        (["--no_resume", "--resume"], True),
    ],
)
def test_booleans(words: list[str], expected: bool) -> None:
    assert parse(*words).resume is expected


def test_file_with_comments_quotes_and_several_flags_a_line(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "# a comment\n\n--hidden_dim 32 --lr 1e-2  # both on one line\n"
        "--group 'two words'\n--categorical_columns sex \"dz group\"\n--no_resume\n"
        "--mixture_topk None",
    )
    config = parse("--experiment_args", path)
    assert config.hidden_dim == 32
    assert config.lr == 0.01
    assert config.group == "two words"
    assert config.categorical_columns == ("sex", "dz group")
    assert config.resume is False
    assert config.mixture_topk is None


@pytest.mark.parametrize("before", [True, False])
def test_the_command_line_wins_wherever_it_stands(tmp_path: Path, before: bool) -> None:
    file = ["--experiment_args", write(tmp_path, "--seed 7 --resume --lr 0.5")]
    flags = ["--seed", "43", "--no_resume"]
    config = parse(*flags, *file) if before else parse(*file, *flags)
    assert (config.seed, config.resume, config.lr) == (43, False, 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no flags"),
        ("# nothing but a comment\n\n", "holds no flags"),
        ("--seed 1\n--seed 2", "--seed is given twice, as 1 and as 2"),
        ("--resume\n--no_resume", "--resume is given twice"),
        ("--group 'open", "line 1: No closing quotation"),
        ("--hiden_dim 3", r"some.args: unknown flag --hiden_dim \(did you mean --hidden_dim\?\)"),
        ("--experiment_args other.args", "cannot read another"),
        ("--epochs many", "--epochs: 'many' is not a whole number"),
        ("epochs 3", "'epochs' is not a flag"),
        ("--group a\0b", "--group is .* text without NUL characters"),
    ],
)
def test_bad_files_are_explained(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse("--experiment_args", write(tmp_path, text))


def test_one_value_of_one_or_several_is_stored_as_itself() -> None:
    assert parse("--mnist_sample_pct", "0.5").mnist_sample_pct == 0.5
    assert parse("--mnist_sample_pct", "0.5", "1").mnist_sample_pct == (0.5, 1.0)
    with pytest.raises(InputError, match=r"--mnist_sample_pct is 1\.5; it must be at most 1"):
        parse("--mnist_sample_pct", "0.5", "1.5")
    with pytest.raises(InputError, match="--mnist_sample_pct is '1'; it must be"):
        TrainConfig(mnist_sample_pct="1")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["half", "0", "-3", "03", "2.5"])
def test_the_columns_of_a_split_are_a_word_or_a_whole_number(value: str) -> None:
    assert parse("--rsf_max_features", "3").rsf_max_features == "3"
    with pytest.raises(InputError, match="it must be sqrt, log2, all or a whole number above 0"):
        parse("--rsf_max_features", value)


def test_the_same_value_twice_in_a_file_is_accepted(tmp_path: Path) -> None:
    assert parse("--experiment_args", write(tmp_path, "--seed 1\n--seed 1")).seed == 1


def test_unreadable_files_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the args file .*: No such file"):
        parse("--experiment_args", str(tmp_path / "missing.args"))
    binary = tmp_path / "binary.args"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        parse("--experiment_args", str(binary))
    with pytest.raises(InputError, match="it is a folder, not a file"):
        parse("--experiment_args", str(tmp_path))
    os.mkfifo(tmp_path / "pipe.args")
    with pytest.raises(InputError, match="it is a pipe or a device, not a file"):
        parse("--experiment_args", str(tmp_path / "pipe.args"))
    with pytest.raises(InputError, match="is larger than 256 KiB"):
        parse("--experiment_args", write(tmp_path, "#" * 2**18 + "\n"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--unknwon", "3"], "unknown flag --unknwon"),
        (["--optimizer", "adam"], r"one of Adam, AdamW, SGD \(did you mean Adam\?\)"),
        (["--epochs", "0"], "--epochs is 0; it must be at least 1"),
        (["--lr", "nan"], "--lr is nan; it must be finite"),
        (["--dropout", "1"], "--dropout is 1.0; it must be below 1"),
        (["--resume", "maybe"], "neither True nor False"),
        (["--seed"], "expected one argument"),
        (["--hidden_dim", "3.5"], "'3.5' is not a whole number"),
        (["--mixture_topk", "11"], "--mixture_topk is 11, more than the 10 experts"),
        (["--hid", "3"], "unknown flag --hid"),
        (["--group", "../../x"], "--group is .*; it must be the name of one folder"),
        (["--group", ".."], "--group is .*; it must be the name of one folder"),
        (["--group", "a\x1b[2J"], r"--group is .*x1b.*must be the name of one folder"),
        (["--group", "g" * 256], "--group is .*; each part of a path has at most 255 bytes"),
        (["--log_dir", "caf\udce9"], "--log_dir is .*, which is not UTF-8"),
        (["--time_column", "a\0b"], "--time_column is .* text without NUL characters"),
        (["--lr", "1e400"], "--lr is inf; it must be finite"),
        (["--evaluation_times", "1e300"], r"--evaluation_times is 1e\+300; it must be at most 1e"),
        (["--lr", "1e-300"], "--lr is 1e-300; it must be at least 1e-18"),
        (["--epochs", "1" + "0" * 30], "--epochs is 1000.*; it must be at most 1000000000"),
        (
            ["--seed", "9" * 5000],
            r"--seed: '9{50,}\.\.\. \(5,002 characters\) is not a",
        ),
        (["--rsf_max_features", "9" * 5000], "it must be sqrt, log2, all or a whole number"),
        (["--hidden_dim", "1000001"], "--hidden_dim is 1000001; it must be at most 1000000"),
    ],
)
def test_bad_flags_are_explained(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(*words)


def test_configs_made_in_code_are_checked_too() -> None:
    with pytest.raises(InputError, match="--hidden_dim is '128'; it must be a whole number"):
        TrainConfig(hidden_dim="128")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="--epochs is True"):
        TrainConfig(epochs=True)
    assert TrainConfig(lr=1).lr == 1


def test_help_gives_every_flag_with_its_topic_and_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        parse("--help")
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for field in dataclasses.fields(TrainConfig):
        assert f"--{field.name} " in text
        assert f"\n{field.metadata['topic']}:" in text
    assert "at least 0, below 1; default: 0.0" in " ".join(text.split())


def test_the_data_directory_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURVKIT_DATA_DIR", "/somewhere")
    assert parse().data_dir == "/somewhere"


def test_a_flag_of_two_configs_is_the_first_ones() -> None:
    flags = given_flags(
        (BatchRunConfig, TrainConfig),
        ["--group", "a", "b", "--lr", "0.1"],
        prog="p",
        description="",
    )
    assert flags.values == {"group": ("a", "b"), "lr": 0.1}


def test_given_flags_are_without_defaults_and_with_those_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "--lr 1e-2 --epochs 3")
    flags = given_flags(
        (TrainConfig,), ["--experiment_args", path, "--epochs", "4"], prog="p", description=""
    )
    assert flags.values == {"lr": 0.01, "epochs": 4}
    assert flags.typed == {"epochs": 4}
    assert flags.of_files == {"lr": 0.01, "epochs": 3}
    assert read_args_file(TrainConfig, Path(path)) == {"lr": 0.01, "epochs": 3}


NO_NUL = st.characters(codec="utf-8", exclude_characters="\0")
TEXTS = st.text(NO_NUL, min_size=1, max_size=60).filter(lambda text: text != "None")
SHARES = st.just(0.0) | st.floats(1e-18, 1)


def is_group(text: str) -> bool:
    try:
        check_group(text)
    except InputError:
        return False
    return True


@pytest.mark.slow
@settings(deadline=None)  # a busy machine is no failure
@given(
    st.builds(
        TrainConfig,
        csv_path=TEXTS,
        group=TEXTS.filter(is_group),
        data_dir=TEXTS,
        lr=st.floats(1e-18, 1e6),
        seed=st.integers(0, 2**32 - 1),
        resume=st.booleans(),
        time_bins=st.none() | st.integers(2, 10**6),
        mnist_means=st.lists(st.floats(1e-9, 1e9), min_size=2).map(tuple),  # one stands for ten
        mnist_sample_pct=SHARES | st.lists(SHARES, min_size=2).map(tuple),
        categorical_columns=st.lists(TEXTS.filter(lambda text: not text.startswith("-"))).map(
            tuple
        ),
    )
)
def test_a_config_survives_its_flags(config: TrainConfig) -> None:
    assert parse(*to_arguments(config)) == config


def test_only_what_is_not_a_default_becomes_a_flag() -> None:
    config = TrainConfig(data_dir="d", lr=0.1)
    assert to_arguments(config) == ["--data_dir=d", "--lr=0.1"]
    assert "--seed=42" in to_arguments(config, always=("seed",))


@pytest.mark.parametrize("columns", [("-a",), ("b", "--lr")])
def test_what_no_flag_can_say_is_refused(columns: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="categorical_columns"):
        to_arguments(TrainConfig(categorical_columns=columns))

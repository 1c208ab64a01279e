from __future__ import annotations

import pytest

from survkit.configs.args_file import parse_configs
from survkit.configs.finished_runs import ExplainConfig
from survkit.types import InputError


def parse(*argv: str) -> ExplainConfig:
    (config,) = parse_configs((ExplainConfig,), argv, prog="survkit.explain", description="")
    return config


def test_rows_are_several_and_defaults_are_the_dataclass_defaults() -> None:
    assert parse() == ExplainConfig()
    assert parse("--run", "logs/a/b", "--rows", "0", "5", "17").rows == (0, 5, 17)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--num_repetitions", "0"), "--num_repetitions is 0; it must be at least 1"),
        (("--baseline", "cox"), "one of model, nelson-aalen"),
        (("--kernel_width", "0"), "--kernel_width is 0.0; it must be above 0"),
    ],
)
def test_bad_values_are_explained(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(*words)

"""Search spaces: the models' own, and those of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from survkit.models.registry import MODELS
from survkit.models.search_spaces import Choices, Range
from survkit.search.space import as_plain, read_space, search_space
from survkit.types import InputError


@pytest.mark.parametrize("model", [m for m, entry in MODELS.items() if entry.search_space])
def test_the_space_of_each_model_can_be_searched(model: str, tmp_path: Path) -> None:
    space = search_space(model)
    assert space == MODELS[model].search_space
    lines = [f"{flag}: {domain}" for flag, domain in as_plain(space).items()]
    path = tmp_path / "space.yaml"
    path.write_text("\n".join(lines).replace("'log': True", "'log': true"))
    assert search_space(model, read_space(str(path))) == space


def test_every_model_with_flags_has_a_space() -> None:
    assert [m for m, entry in MODELS.items() if entry.parameters and not entry.search_space] == []


def test_values_have_the_types_of_their_flags(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(
        "lr: {low: 1e-4, high: 1}\nhidden_dim: [8, 16.0]\nepochs: {low: 1, high: 9, log: true}\n"
        "optimizer: [Adam, SGD]\nmixture_topk: [null, 2]\nlearn_temperature: [true, false]"
    )
    space = search_space("fixed_moe", read_space(str(path)))
    assert space["lr"] == Range(1e-4, 1.0)
    assert isinstance(space["lr"].high, float)
    assert repr(space["hidden_dim"]) == repr(Choices((8, 16)))
    assert space["epochs"] == Range(1, 9, log=True)
    assert space["mixture_topk"] == Choices((None, 2))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must have flags as its keys"),
        ("{}", "is empty"),
        ("[1, 2]", "must have flags as its keys"),
        ("cox_alpha: {low: 0.1, high: 1}", "'cox_alpha' is read by coxph, not by mtlr"),
        ("dropuot: [0, 0.1]", "(did you mean dropout?)"),
        ("time_bins: [10, 20]", "'time_bins' is no flag of a model"),
        ("seed: [1, 2]", "'seed' is no flag of a model"),
        ("lr: []", "lr has an empty list"),
        ("lr: [0.1]", "lr has only 0.1"),
        ("lr: [0.1, 1e-1]", "lr has a value twice"),
        ("lr: 0.1", "lr is 0.1; it must be a list of values"),
        ("lr:", "lr is None; it must be a list of values"),
        ("lr: {low: 0.1}", "lr has no high"),
        ("lr: {low: 0.1, high: 0.1}", "low must be below high"),
        ("lr: {low: 0.2, high: 0.1}", "low must be below high"),
        ("lr: {low: 0, high: 0.1}", "--lr is 0.0; it must be above 0"),
        ("dropout: {low: 0, high: 0.5, log: true}", "a logarithmic range must lie above 0"),
        ("dropout: {low: 0, high: 1}", "--dropout is 1.0; it must be below 1"),
        ("lr: {low: 0.1, high: .inf}", "it must be finite"),
        ("lr: {low: 0.1, high: .nan}", "it must be finite"),
        ("lr: {low: 0.1, high: null}", "low and high must be numbers"),
        ("lr: {low: 0.1, high: 1, log: maybe}", "log is 'maybe'; it must be true or false"),
        ("lr: {low: 0.1, high: 1, step: 2}", "lr has the key 'step'"),
        ("lr: {low: yes, high: 1}", "--lr is True; it must be a number"),
        ("hidden_dim: {low: 1.5, high: 8}", "--hidden_dim is 1.5; it must be a whole number"),
        ("hidden_dim: [8, x]", "--hidden_dim is 'x'; it must be a whole number"),
        ("optimizer: {low: 1, high: 2}", "optimizer must be a list of values"),
        ("optimizer: [Adam, Adagrad]", "it must be one of Adam, AdamW, SGD"),
        ("one_hot_embed: [1, 0]", "it must be True or False"),
        ("lr: [[0.1, 0.2], 0.3]", "--lr is [0.1, 0.2]; it must be a number"),
        ("lr: [{a: 1}, 0.3]", "--lr is {'a': 1}; it must be a number"),
        ("lr: [0.1, 0.2]\nlr: [0.3, 0.4]", "'lr' stands twice"),
        ("lr: !!python/name:os.system", "the tag"),
    ],
)
def test_a_bad_space_is_refused_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        search_space("mtlr", read_space(str(path)), where=f"the space {path}")
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_a_flag_that_changes_no_number_is_not_searched() -> None:
    with pytest.raises(InputError, match="'bart_cores' changes no number of a run"):
        search_space("bart", {"bart_cores": [1, 2]})

"""What a training accepts as the state of an interrupted one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from survkit.types import SurvivalData
from tests.training.training_fixtures import RecordingMonitor, build, halves

State = dict[str, Any]
Damage = Callable[[State], object]


def with_value(**values: Any) -> Damage:
    return lambda state: state.update(values)


def within(part: str, change: Callable[[Any], Any]) -> Damage:
    """Change one tensor, or the whole, of a part of a state."""

    def damage(state: State) -> None:
        content = dict(state[part])
        name = next(name for name, tensor in content.items() if tensor.dim())
        content[name] = change(content[name])
        state[part] = content

    return damage


def without(*names: str) -> Damage:
    def damage(state: State) -> None:
        for name in names:
            del state[name]

    return damage


DAMAGES: dict[str, Damage] = {
    "epoch of another run": with_value(epoch=10**9),
    "epoch beyond the last": with_value(epoch=7),
    "negative epoch": with_value(epoch=-1, best_epoch=-1),
    "no epoch": with_value(epoch=0, best_epoch=0, best_weights=None),
    "epoch as text": with_value(epoch="3"),
    "epoch as a truth value": with_value(epoch=True, best_epoch=True),
    "epoch as a tensor": with_value(epoch=torch.ones(2)),
    "best epoch later": with_value(best_epoch=5),
    "best epoch as a fraction": with_value(best_epoch=2.5),
    "best value as text": with_value(best_value="low"),
    "best value undefined": with_value(best_value=math.nan),
    "best value out of reach": with_value(best_value=-math.inf),
    "diverged as a tensor": with_value(diverged=torch.ones(2)),
    "diverged in the best epoch": with_value(diverged=True, epoch=3, best_epoch=3),
    "no best weights": with_value(best_weights=None),
    "weights as a list": with_value(weights=[1.0, 2.0]),
    "one weight missing": lambda state: state.update(weights=dict([*state["weights"].items()][1:])),
    "one weight too many": lambda state: state["weights"].update(other=torch.zeros(2)),
    "weights of another shape": within("weights", lambda w: w[:1]),
    "weights of another type": within("weights", torch.Tensor.double),
    "weights as numbers": within("weights", torch.Tensor.tolist),
    "weights that are not finite": within("weights", lambda w: w * math.nan),
    "weights without values": within("weights", lambda w: w.to("meta")),
    "sparse weights": within("weights", torch.Tensor.to_sparse),
    "best weights that are not finite": within("best_weights", lambda w: w / 0),
    "best weights of another shape": within("best_weights", lambda w: w.repeat(2, 1)),
    "optimiser empty": with_value(optimizer={}),
    "optimiser of another kind": with_value(optimizer={"momentum_buffer": torch.zeros(3)}),
    "moments of another size": within("optimizer", lambda moment: moment[:5]),
    "order of another size": lambda state: state.update(order=state["order"][:100]),
    "order of another type": lambda state: state.update(order=state["order"].double()),
    "order of other content": lambda state: state["order"].fill_(255),
    "order missing": without("order"),
    "dropout as on a GPU": with_value(dropout=torch.zeros(16, dtype=torch.uint8)),
    "dropout as bytes": with_value(dropout=b"1234"),
    "much missing": without("weights", "best_epoch", "dropout"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_state_that_cannot_be_its_own_starts_the_training_again(
    name: str, small_data: SurvivalData
) -> None:
    monitor = RecordingMonitor(stop_after=4)
    with pytest.raises(KeyboardInterrupt):
        build("mtlr", dropout=0.2).fit(*halves(small_data), monitor=monitor)
    state = dict(monitor.state or {})
    DAMAGES[name](state)
    again = RecordingMonitor()
    again.state = state
    build("mtlr", dropout=0.2).fit(*halves(small_data), monitor=again)
    (warning,) = again.warnings
    assert warning.startswith("the state of the interrupted training ")
    assert warning.endswith("; training started again")
    assert "\n" not in warning
    assert len(warning) < 250
    assert again.history[:4] == monitor.history
    assert len(again.history) == 6


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "SGD"])
def test_a_state_of_its_own_is_accepted(optimizer: str, small_data: SurvivalData) -> None:
    monitor = RecordingMonitor(stop_after=4)
    with pytest.raises(KeyboardInterrupt):
        build("fixed_moe", optimizer=optimizer).fit(*halves(small_data), monitor=monitor)
    monitor.stop_after = None
    build("fixed_moe", optimizer=optimizer).fit(*halves(small_data), monitor=monitor)
    assert monitor.warnings == []
    assert [line["epoch"] for line in monitor.history] == [1, 2, 3, 4, 5, 6]

"""Configuration of the mirror to Weights & Biases."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from survkit.configs.options import option, validate

_wandb = partial(option, topic="Weights & Biases", identity=False)


@dataclass(frozen=True)
class WandbConfig:
    """How a run is mirrored to Weights & Biases; no run needs it."""

    mode: Literal["online", "offline", "disabled"] | None = _wandb(
        None,
        "where the mirror goes",
        shown_default="online where an API key is configured, else offline; disabled without wandb",
    )
    entity: str | None = _wandb(None, "user or team that owns the project")
    project: str = _wandb("survkit", "project to log to")
    name: str | None = _wandb(None, "name of the run there", shown_default="the model and the seed")
    dir: str | None = _wandb(
        None, "folder of the mirror's files", is_path=True, shown_default="the record's folder"
    )
    job_type: str | None = _wandb(None, "kind of the run, to filter by")
    tags: tuple[str, ...] = _wandb((), "tags of the run")
    notes: str | None = _wandb(None, "a longer description of the run")

    def __post_init__(self) -> None:
        validate(self)

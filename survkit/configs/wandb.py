"""Configuration of the mirror to Weights & Biases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from survkit.configs.options import option, validate

TOPIC = "Weights & Biases"


@dataclass(frozen=True)
class WandbConfig:
    """How a run is mirrored to Weights & Biases; no run needs it."""

    mode: Literal["online", "offline", "disabled"] | None = option(
        None,
        topic=TOPIC,
        identity=False,
        help="where the mirror goes",
        shown_default="online where an API key is configured, else offline",
    )
    entity: str | None = option(
        None, topic=TOPIC, identity=False, help="user or team that owns the project"
    )
    project: str = option("survkit", topic=TOPIC, identity=False, help="project to log to")

    def __post_init__(self) -> None:
        validate(self)

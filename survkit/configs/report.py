"""Configuration of the report on finished runs."""

from __future__ import annotations

from dataclasses import dataclass

from survkit.configs.options import option, validate

TOPIC = "Report"


@dataclass(frozen=True)
class ReportConfig:
    """Which runs to report on."""

    log_dir: str = option("./logs", topic=TOPIC, help="folder of all records")
    group: str | None = option(None, topic=TOPIC, help="group of runs, a subfolder of log_dir")
    metrics: tuple[str, ...] = option(
        (),
        topic=TOPIC,
        help="test metrics of the table, or other numbers of the records such as peak_memory_mb",
        shown_default="concordance, Brier scores and calibration error",
    )

    def __post_init__(self) -> None:
        validate(self)

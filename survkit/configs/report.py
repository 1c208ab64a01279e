"""Configuration of the report on finished runs."""

from __future__ import annotations

from dataclasses import dataclass

from survkit.configs.options import option, validate

TOPIC = "Report"


@dataclass(frozen=True)
class ReportConfig:
    """Which runs to report on, and how to compare them."""

    log_dir: str = option("./logs", topic=TOPIC, help="folder of all records")
    group: str | None = option(None, topic=TOPIC, help="group of runs, a subfolder of log_dir")
    metrics: tuple[str, ...] = option(
        (),
        topic=TOPIC,
        help="test metrics of the tables, or other numbers of the records such as peak_memory_mb",
        shown_default="concordance, Brier scores and calibration error; on the page also loss",
    )
    reference: str | None = option(
        None,
        topic=TOPIC,
        help="model that the others are compared with",
        shown_default="mtlr, or the first one without it",
    )
    bootstrap: int = option(
        1000,
        topic=TOPIC,
        at_least=0,
        help="resamples of the test subjects for the intervals of differences; 0 for none",
    )
    data_dir: str | None = option(
        None,
        topic=TOPIC,
        help="folder of the data files",
        shown_default="that of the runs, or $SURVKIT_DATA_DIR",
    )

    def __post_init__(self) -> None:
        validate(self)

"""What a run writes for readers: its model card, and a draft of the TRIPOD+AI checklist."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from survkit.datasets.assemble import Dataset
from survkit.runs import model_card, tripod_ai


def run_documents(
    dataset: Dataset, config: Mapping[str, Any], result: Mapping[str, Any], *, folder: Path
) -> dict[str, str]:
    """Return the Markdown of each file that a run writes for readers, by its name.

    Parameters are those of `model_card`.
    """
    return {
        model_card.FILE: model_card.model_card(dataset, config, result, folder=folder),
        tripod_ai.FILE: tripod_ai.tripod_draft(dataset, config, result, folder=folder),
    }

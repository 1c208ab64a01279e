"""Fills in the tables of datasets.md and models.md that the code itself knows.

PYTHONPATH=. python docs/make_tables.py

A table stands between `<!-- table: NAME -->` and `<!-- end -->`, where NAME is a key of `tables`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from survkit.configs.options import option_type
from survkit.configs.train import TrainConfig
from survkit.datasets import DATASETS, load_dataset
from survkit.datasets.assemble import Dataset
from survkit.datasets.bundled import BUNDLED
from survkit.datasets.card import Card, counts_text
from survkit.datasets.collections.index import COLLECTIONS, Facts, facts
from survkit.datasets.mnist import MNIST_CARD
from survkit.datasets.sepsis import CARD as SEPSIS_CARD
from survkit.datasets.support2 import CARD as SUPPORT2_CARD
from survkit.datasets.support2 import PUBLISHED_LEAKS
from survkit.datasets.udca import CARD as UDCA_CARD
from survkit.heads import HEADS, ROUTER_PARAMETERS
from survkit.models.registry import MODELS
from survkit.training.parameters import (
    BACKBONE_PARAMETERS,
    INPUT_PARAMETERS,
    OPTIMISATION_PARAMETERS,
    REGULARISER_PARAMETERS,
)

PAGES = [Path(__file__).parent / name for name in ("datasets.md", "models.md")]

EMBEDDED = (*BUNDLED, "digits", "synthetic", "synthetic_competing")
"""Datasets that load without a file."""

FROM_FILES = {
    "support2": dataclasses.replace(SUPPORT2_CARD, known_leaks=PUBLISHED_LEAKS),
    "mnist": MNIST_CARD,
    "sepsis": SEPSIS_CARD,
    "udca": UDCA_CARD,
}

_TABLE = re.compile(r"(<!-- table: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Bring the tables of all pages up to date."""
    known = tables()
    for page in PAGES:
        page.write_text(filled(page.read_text("utf-8"), known), "utf-8")


def filled(text: str, known: Mapping[str, str]) -> str:
    """Return a page with its tables replaced by those known."""
    return _TABLE.sub(lambda found: f"{found[1]}\n{known[found[2]]}\n{found[3]}", text)


def tables() -> dict[str, str]:
    """Return every table, as Markdown, by its name."""
    cards = {name: card_table(card) for name, card in FROM_FILES.items()}
    cards |= {name: loaded_table(load_dataset(name, data_dir=".")) for name in EMBEDDED}
    flags: dict[str, Iterable[str]] = {
        "backbone": (*INPUT_PARAMETERS, *BACKBONE_PARAMETERS),
        "router": ROUTER_PARAMETERS,
        "optimisation": OPTIMISATION_PARAMETERS,
        "regularisers": REGULARISER_PARAMETERS,
        "start": ("initial_curve",),
    }
    flags |= {name: _own(entry.parameters) for name, entry in HEADS.items()}
    flags |= {name: entry.parameters for name, entry in MODELS.items() if not entry.network}
    of_networks = (*INPUT_PARAMETERS, *BACKBONE_PARAMETERS, *OPTIMISATION_PARAMETERS)
    others = [name for name, entry in MODELS.items() if entry.network and name not in HEADS]
    flags |= {name: _own(MODELS[name].parameters, of_networks) for name in others}
    flags |= {name: _own(entry.parameters, ("data_dir",)) for name, entry in DATASETS.items()}
    return {
        **{f"card {name}": table for name, table in cards.items()},
        **{f"flags {name}": flags_table(names) for name, names in flags.items()},
        **{f"collection {name}": collection_table(name) for name in COLLECTIONS},
    }


def _own(names: Iterable[str], shared: Iterable[str] = ROUTER_PARAMETERS) -> list[str]:
    return [name for name in names if name not in shared]


def loaded_table(dataset: Dataset) -> str:
    """Return the card of a loaded dataset, with the sizes of its splits, as a table."""
    sizes = ", ".join(
        f"{part} {len(data):,}"
        for part, data in zip(dataset.splits._fields, dataset.splits, strict=True)
    )
    features = dataset.splits.train.features.shape[1]
    return card_table(dataset.card, [("rows", sizes), ("features", f"{features}")])


def card_table(card: Card, more: Iterable[tuple[str, str]] = ()) -> str:
    """Return a dataset's card as a table; counts of 0 are those that only the files tell."""
    rows = [("subjects", f"{card.n:,}")] if card.n else []
    rows += [("events", f"{card.events:,} ({card.events / card.n:.0%})")] if card.events else []
    rows += [("causes", counts_text(card.causes))] if card.causes else []
    rows += [*more, ("time", card.time_unit), ("source", card.source), ("licence", card.licence)]
    rows += [(f"dropped `{column}`", why) for column, why in card.dropped_columns.items()]
    rows += [("**known leak**", leak) for leak in card.known_leaks]
    rows += [("note", note) for note in card.notes]
    return _table(("", ""), rows)


def collection_table(collection: str) -> str:
    """Return the sets of a collection as a table, those that no model can use at its end."""
    sets = facts(collection).values()
    usable = [_set_row(each) for each in sets if not each.unusable]
    rows = [*usable, *((f"`{s.name}`", *[""] * 4, s.unusable, "") for s in sets if s.unusable)]
    head = ("set", "rows", "events", "features", "missing", "time in", "left out; known leaks")
    return _table(head, rows)


def _set_row(each: Facts) -> tuple[str, ...]:
    counts = each.counts
    several = f" ({counts.subjects:,} subjects)" if counts.subjects < counts.n else ""
    causes = f" ({counts_text(counts.causes)})" if counts.causes else ""
    left_out = ", ".join(f"`{name}`" for name in each.dropped)
    leaks = [*([left_out] if left_out else []), *each.leaks]
    return (
        f"`{each.name}`",
        f"{counts.n:,}{several}",
        f"{counts.events:,}{causes}",
        f"{counts.features:,}",
        f"{counts.missing:.1%}",
        each.unit,
        "; ".join(leaks if each.examined else [*leaks, "not examined"]),
    )


def flags_table(names: Iterable[str]) -> str:
    """Return flags of `survkit.train` with their defaults and meanings as a table."""
    fields = {field.name: field for field in dataclasses.fields(TrainConfig)}
    rows = [
        (f"`--{name}`", _default(fields[name]), fields[name].metadata["help"]) for name in names
    ]
    return _table(("flag", "default (other values)", "meaning"), rows)


def _default(field: dataclasses.Field[object]) -> str:
    shown = field.metadata["shown_default"]
    if shown is not None:
        return str(shown)
    if field.default in (None, ()):
        return "none"
    choices = option_type(TrainConfig, field.name).choices
    default = field.default
    text = " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
    others = ", ".join(f"`{choice}`" for choice in choices if choice != text)
    return f"`{text}` ({others})" if others else f"`{text}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    main()

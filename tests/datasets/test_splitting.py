import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from survkit.datasets import load_dataset
from survkit.datasets.splitting import Split, check_event_in_each_part, split_rows
from survkit.train import main as train
from survkit.types import InputError, Splits, SurvivalData


@pytest.mark.parametrize("n", [137, 500, 9105])
def test_split_is_that_of_two_train_test_splits(n):
    rest, test = train_test_split(np.arange(n), test_size=0.1, random_state=42)
    train, validation = train_test_split(rest, test_size=0.1 / 0.9, random_state=42)
    for ours, theirs in zip(split_rows(n), (train, validation, test), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("n", [3, 10, 1000, 9105, 12345])
def test_split_parts_are_disjoint_and_whole(n):
    rows = split_rows(n)
    assert sorted(np.concatenate(rows)) == list(range(n))
    assert len(rows.test) == -(-n // 10)
    assert len(rows.validation) in (len(rows.test), len(rows.test) - 1)


def test_subjects_are_split_whole():
    subject_id = np.repeat(np.arange(50), np.random.default_rng(0).integers(1, 9, size=50))
    rows = split_rows(len(subject_id), subject_id)
    assert sorted(np.concatenate(rows)) == list(range(len(subject_id)))
    subjects = [set(subject_id[part]) for part in rows]
    assert [len(each) for each in subjects] == [40, 5, 5]
    assert not subjects[0] & subjects[1]
    assert not subjects[0] & subjects[2]
    assert not subjects[1] & subjects[2]


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
@pytest.mark.parametrize("stratified", [False, True])
def test_another_seed_gives_another_split_of_two_train_test_splits(seed, stratified):
    event = np.arange(300) % 3 == 0
    strata = event if stratified else None
    given = {"random_state": seed, "test_size": 30, "stratify": strata}
    rest, test = train_test_split(np.arange(300), **given)
    rows = split_rows(300, event=event, split=Split(stratified, seed))
    np.testing.assert_array_equal(rows.test, test)
    assert set(rows.train) | set(rows.validation) == set(rest)
    assert not np.array_equal(rows.test, split_rows(300, event=strata).test)


@given(st.integers(3, 200), st.integers(2, 12), st.booleans(), st.data())
def test_each_subject_is_tested_in_one_fold(n, folds, several_rows, data):
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    rows_each = random.integers(1, 5, size=n) if several_rows else np.ones(n, int)
    subject_id = random.permutation(np.repeat(np.arange(n), rows_each))
    has_event = random.random(n) < 0.3
    given = {"subject_id": subject_id, "event": has_event[subject_id]}
    if n < max(folds, 3):
        with pytest.raises(InputError, match=f"--folds is {folds}, and there are {n} subjects"):
            split_rows(len(subject_id), **given, split=Split(True, 7, "folds", folds, 0))
        return
    if (n, folds) == (3, 2):
        return  # a fold of two subjects leaves one
    parts = [
        split_rows(len(subject_id), **given, split=Split(True, 7, "folds", folds, fold))
        for fold in range(folds)
    ]
    tested = [np.unique(subject_id[rows.test]) for rows in parts]
    assert sorted(np.concatenate(tested)) == list(range(n))
    for sizes in ([len(t) for t in tested], [has_event[t].sum() for t in tested]):
        assert max(sizes) - min(sizes) <= 1
    for rows in parts:
        assert sorted(np.concatenate(rows)) == list(range(len(subject_id)))
        subjects = [set(subject_id[part]) for part in rows]
        assert sum(map(len, subjects)) == n


def test_too_few_subjects_to_split():
    with pytest.raises(InputError, match="2 subjects cannot be split in three"):
        split_rows(2)


@given(st.integers(25, 400), st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.3, 0.5, 0.95]))
def test_a_stratified_split_is_that_of_two_train_test_splits(n, seed, share):
    event = np.random.default_rng(seed).random(n) < share
    event[:4], event[4:8] = True, False  # scikit-learn refuses fewer
    whole = {"random_state": 42, "test_size": -(-n // 10), "stratify": event}
    rest, test = train_test_split(np.arange(n), **whole)
    ninth = {"random_state": 42, "test_size": -(-len(rest) // 9), "stratify": event[rest]}
    train_rows, validation = train_test_split(rest, **ninth)
    for ours, theirs in zip(
        split_rows(n, event=event), (train_rows, validation, test), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_rows_with_one_outcome_are_split_as_scikit_learn_does():
    event = np.ones(50, bool)
    rest, test = train_test_split(np.arange(50), test_size=5, random_state=42, stratify=event)
    rows = split_rows(50, event=event)
    np.testing.assert_array_equal(rows.test, test)
    assert sorted(np.concatenate(rows)) == list(range(50))
    assert len(rows.validation) + len(rows.train) == len(rest)


@given(st.integers(3, 300), st.data())
def test_stratified_parts_are_whole_and_have_their_share(n, data):
    events = data.draw(st.integers(0, n))
    event = np.random.default_rng(n).permutation(np.arange(n) < events)
    rows = split_rows(n, event=event)
    assert sorted(np.concatenate(rows)) == list(range(n))
    assert [len(part) for part in rows] == [len(part) for part in split_rows(n)]
    for part in rows:
        assert abs(event[part].sum() - events * len(part) / n) < 2


@given(st.integers(30, 1999))
def test_ten_events_are_enough(n):
    event = np.arange(n) < 10
    assert all(event[part].any() for part in split_rows(n, event=event))


def test_subjects_are_stratified_by_whether_any_row_has_the_event():
    subject_id = np.random.default_rng(1).permutation(np.repeat(np.arange(100), 4))
    event = np.zeros(400, bool)
    for subject in range(30):  # one row each
        event[np.flatnonzero(subject_id == subject)[0]] = True
    rows = split_rows(400, subject_id, event=event)
    assert [int(event[part].sum()) for part in rows] == [24, 3, 3]
    subjects = [np.unique(subject_id[part]) for part in rows]
    of_subjects = split_rows(100, event=np.arange(100) < 30)
    for found, expected in zip(subjects, of_subjects, strict=True):
        np.testing.assert_array_equal(found, np.sort(expected))


def parts_with(*events):
    return Splits(
        *(
            SurvivalData(np.zeros((20, 1)), np.arange(20) < count, np.ones(20, float))
            for count in events
        )
    )


@pytest.mark.parametrize(
    ("events", "stratified", "message"),
    [
        ((9, 0, 7), False, "none of the 20 validation rows .* have 16 events: --stratified_split"),
        ((2, 0, 0), False, "none of the 20 validation rows .* 2 events: too few .* 10 events on"),
        ((4, 1, 0), True, "none of the 20 test rows has the event; all 60 rows have 5 events: too"),
        ((0, 1, 0), True, "none of the 20 training rows has the event; all 60 rows have 1 event:"),
    ],
)
def test_a_part_without_events_is_refused(events, stratified, message):
    with pytest.raises(InputError, match=message):
        check_event_in_each_part(parts_with(*events), stratified=stratified)
    check_event_in_each_part(parts_with(1, 1, 1), stratified=stratified)


def write_table(path, *, n, events):
    random = np.random.default_rng(0)
    rows = (f"{random.normal():.4f},{1 + i},{int(i < events)}" for i in range(n))
    path.write_text("\n".join(["x,t,e", *rows]) + "\n")


def test_the_command_refuses_a_part_without_events(tmp_path, capsys):
    table = tmp_path / "a.csv"
    write_table(table, n=60, events=4)
    flags = ["--dataset", "csv", "--csv_path", str(table), "--time_column", "t"]
    flags += ["--event_column", "e", "--model", "kaplan_meier", "--log_dir", str(tmp_path / "logs")]
    assert train(flags) == 2
    error = capsys.readouterr().err
    assert "has the event; all 60 rows have 4 events" in error
    assert "Traceback" not in error
    assert not list(tmp_path.rglob("config.json"))


@pytest.mark.parametrize("name", ["gbsg2", "whas500", "veteran", "rossi", "lung", "digits"])
def test_small_datasets_are_stratified(name, tmp_path):
    splits = load_dataset(name, data_dir=tmp_path).splits
    n = sum(map(len, splits))
    share = sum(part.event.sum() for part in splits) / n
    for part in splits:
        assert abs(part.event.sum() - share * len(part)) < 1


def test_the_split_of_a_large_dataset_is_random(tmp_path):
    flchain = load_dataset("flchain", data_dir=tmp_path)
    assert not flchain.split.stratified
    np.testing.assert_array_equal(flchain.rows.test, split_rows(7874).test)


def test_support2_keeps_its_split_unless_asked(real_data_dir):
    given = {"data_dir": real_data_dir, "download": False}
    support2 = load_dataset("support2", **given)
    assert not support2.split.stratified
    # Few enough patients are left for a table of its size to be stratified.
    late = load_dataset("support2", support2_start_day=1500, **given)
    assert sum(map(len, late.splits)) < 2000
    assert not late.split.stratified
    stratified = load_dataset("support2", stratified_split=True, **given)
    assert stratified.split.stratified
    assert stratified.splits.test.event.sum() == 620


@pytest.mark.parametrize(
    "flag", [{"stratified_split": True}, {"split_seed": 0}, {"split": "folds"}]
)
def test_mnist_has_test_rows_of_its_own(flag, tmp_path):
    with pytest.raises(
        InputError, match=f"--{next(iter(flag))} has no meaning for mnist: its test"
    ):
        load_dataset("mnist", data_dir=tmp_path, **flag)


@pytest.mark.parametrize("name", ["gbsg2", "digits", "synthetic"])
def test_any_dataset_is_split_by_seed_and_folds(name, tmp_path):
    def test_rows(**flags):
        return load_dataset(name, data_dir=tmp_path, **flags).rows.test

    assert np.array_equal(test_rows(), test_rows(split_seed=42))
    assert not np.array_equal(test_rows(), test_rows(split_seed=0))
    folds = [test_rows(split="folds", folds=3, fold=fold) for fold in range(3)]
    assert len(np.unique(np.concatenate(folds))) == sum(map(len, folds))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--fold 5 --split folds", "--fold is 5; with --folds 5 it is one of 0 to 4"),
        ("--fold 1", "--fold 1 is for --split folds"),
        ("--folds 3", "--folds 3 is for --split folds"),
        ("--split folds --folds 1", "--folds is 1; it must be at least 2"),
        (
            "--split folds --folds 500",
            "--folds is 500, and there are 137 subjects; use fewer folds",
        ),
        ("--split folds --folds 137", "none of the 1 test rows has the event"),
    ],
)
def test_folds_that_cannot_be(flags, message, capsys, tmp_path):
    command = ["--dataset", "veteran", "--model", "kaplan_meier", "--log_dir", str(tmp_path)]
    assert train([*command, *flags.split()]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("stratified", [True, False])
def test_inner_folds_share_out_all_rows_that_are_not_tested(stratified):
    random = np.random.default_rng(1)
    subject = random.integers(0, 90, 300)
    event = random.random(300) < 0.15
    outer = split_rows(300, subject, event=event, split=Split(stratified))
    folds = [
        split_rows(300, subject, event=event, split=Split(stratified, inner_folds=4, inner_fold=k))
        for k in range(4)
    ]
    rest = sorted(np.concatenate([outer.train, outer.validation]))
    assert sorted(np.concatenate([rows.validation for rows in folds])) == rest
    for rows in folds:
        np.testing.assert_array_equal(rows.test, outer.test)
        assert sorted(np.concatenate([rows.train, rows.validation])) == rest
        assert not set(subject[rows.train]) & set(subject[rows.validation])
    subjects = [len(np.unique(subject[rows.validation])) for rows in folds]
    assert max(subjects) - min(subjects) <= 1
    if stratified:
        with_event = np.unique(subject[event])
        counts = [np.isin(np.unique(subject[r.validation]), with_event).sum() for r in folds]
        assert max(counts) - min(counts) <= 1


def test_inner_folds_go_with_outer_folds():
    outer = [
        split_rows(
            60, split=Split(False, kind="folds", folds=3, fold=1, inner_folds=2, inner_fold=k)
        )
        for k in range(2)
    ]
    np.testing.assert_array_equal(outer[0].test, outer[1].test)
    assert set(outer[0].validation) == set(outer[1].train)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--inner_folds 1", "--inner_folds is 1; it must be 0, for none, or at least 2"),
        ("--inner_fold 1", "--inner_fold is 1; with --inner_folds 0 it is not read"),
        ("--inner_folds 3 --inner_fold 3", "it is one of 0 to 2"),
        ("--inner_folds 500", "--inner_folds is 500, and there are 123 subjects for training"),
    ],
)
def test_inner_folds_that_cannot_be(flags, message, capsys, tmp_path):
    command = ["--dataset", "veteran", "--model", "kaplan_meier", "--log_dir", str(tmp_path)]
    assert train([*command, *flags.split()]) == 2
    assert message in capsys.readouterr().err

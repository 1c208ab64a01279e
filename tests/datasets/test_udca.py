import pytest

from survkit.datasets import load_configured, load_dataset
from survkit.train import main as train
from survkit.types import InputError


def test_a_missing_file_is_explained(tmp_path):
    with pytest.raises(InputError, match=r"udca_dataset.csv is not there: .*--data_dir"):
        load_dataset("udca", data_dir=tmp_path)


def test_other_data_than_the_card_describes_are_refused(tmp_path):
    rows = "".join(f"{i}.5,{i % 2},4.{i},{i % 3 % 2},{i % 2},{i}\n" for i in range(40))
    (tmp_path / "udca_dataset.csv").write_text(f"bili,stage,riskscore,trt,status,time\n{rows}")
    with pytest.raises(InputError, match=r"udca: found 40 subjects .* expected 170 with 16"):
        load_dataset("udca", data_dir=tmp_path)


def test_counts(real_data_dir):
    dataset = load_dataset("udca", data_dir=real_data_dir)
    assert [len(part) for part in dataset.splits] == [136, 17, 17]
    assert [int(part.event.sum()) for part in dataset.splits] == [12, 2, 2]
    assert [column.name for column in dataset.preprocessor.coded] == ["stage", "trt"]
    assert dataset.card.name == dataset.name == "udca"


def test_a_partial_likelihood_can_be_trained(real_data_dir, tmp_path):
    command = ["--dataset", "udca", "--model", "deepsurv", "--epochs", "1", "--hidden_dim", "4"]
    command += ["--data_dir", str(real_data_dir), "--log_dir", str(tmp_path)]
    assert train([*command, "--bootstrap", "10"]) == 0
    assert len(list(tmp_path.rglob("result.json"))) == 1


def test_a_random_split_without_events_says_what_to_do(real_data_dir, tmp_path, capsys):
    command = ["--dataset", "udca", "--model", "mtlr", "--no_stratified_split"]
    command += ["--data_dir", str(real_data_dir), "--log_dir", str(tmp_path)]
    assert train(command) == 2
    error = capsys.readouterr().err
    assert "none of the 17 validation rows has the event; all 170 rows have 16 events" in error
    assert "--stratified_split" in error
    assert not list(tmp_path.rglob("config.json"))


def test_a_record_from_before_stratified_splits_has_a_random_one(real_data_dir):
    earlier = load_configured({"dataset": "udca", "data_dir": real_data_dir})
    assert not earlier.split.stratified
    assert [int(part.event.sum()) for part in earlier.splits][1] == 0

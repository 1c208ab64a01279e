import pytest

from survkit.datasets import load_dataset
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
    assert [column.name for column in dataset.preprocessor.coded] == ["stage", "trt"]
    assert dataset.card.name == dataset.name == "udca"

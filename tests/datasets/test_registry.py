import inspect

import pytest

from survkit.datasets import ALIASES, DATASETS, dataset_name, load_dataset, load_parameters
from survkit.datasets.assemble import CommonParameters
from survkit.types import InputError


def test_entries_list_the_loaders_parameters():
    for entry in DATASETS.values():
        taken = inspect.signature(entry.loader).parameters.values()
        keywords = {p.name for p in taken if p.kind is p.KEYWORD_ONLY}
        assert {*entry.parameters, *(["download"] if entry.downloads else [])} == keywords
        assert not keywords & set(CommonParameters.__annotations__)


def test_aliases():
    assert set(ALIASES.values()) <= set(DATASETS)
    assert dataset_name("SUPPORT2") == "support2"
    assert dataset_name("MNIST") == "mnist"
    assert dataset_name("Sepsis") == "sepsis"
    assert dataset_name("flchain") == "flchain"


def test_unknown_names_are_answered_with_the_nearest(tmp_path):
    with pytest.raises(InputError, match=r"unknown dataset 'suport2' \(did you mean"):
        load_dataset("suport2", data_dir=tmp_path)
    with pytest.raises(InputError, match="the datasets are support2, mnist"):
        load_dataset("???", data_dir=tmp_path)


def test_every_parameter_is_a_flag_with_the_same_default():
    from survkit.configs.train import TrainConfig

    config = TrainConfig()
    for name, entry in DATASETS.items():
        assert set(load_parameters(name)) <= set(vars(config))
        for parameter in inspect.signature(entry.loader).parameters.values():
            if parameter.name in entry.parameters and parameter.default is not parameter.empty:
                assert getattr(config, parameter.name) == parameter.default


def test_a_parameter_of_another_dataset_is_refused(tmp_path):
    with pytest.raises(InputError, match="veteran takes no parameter 'csv_path'; it takes none"):
        load_dataset("veteran", data_dir=tmp_path, csv_path="x.csv")


def test_grid_parameters_reach_the_grid(tmp_path):
    grid = load_dataset("veteran", data_dir=tmp_path, time_bins=7, labeling_floor_mode=True).grid
    assert len(grid.cuts) == 7
    assert grid.floor
    quantiles = load_dataset("veteran", data_dir=tmp_path, quantile_event_times=True).grid
    assert quantiles.cuts[1] - quantiles.cuts[0] != quantiles.cuts[2] - quantiles.cuts[1]

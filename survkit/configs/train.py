"""Configuration of one training run."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import partial
from typing import Literal

from survkit.configs.groups import check_group
from survkit.configs.options import option, validate
from survkit.types import InputError

_data = partial(option, topic="Data")
_grid = partial(option, topic="Time grid")
_support2 = partial(option, topic="SUPPORT2")
_mnist = partial(option, topic="Survival MNIST (--dataset mnist or digits)")
_sepsis = partial(option, topic="Sepsis")
_csv = partial(option, topic="Your own table (--dataset csv)")
_synthetic = partial(option, topic="Synthetic data")
_model = partial(option, topic="Model")
_experts = partial(option, topic="Mixture of experts")
_cox = partial(option, topic="Cox regression (--model coxph)")
_forest = partial(option, topic="Random survival forest (--model rsf)")
_bart = partial(option, topic="Bayesian additive regression trees (--model bart)")
_optimisation = partial(option, topic="Optimisation")
_regularisers = partial(option, topic="Regularisers of the router")
_calibration = partial(option, topic="Calibration")
_evaluation = partial(option, topic="Evaluation")
_run = partial(option, topic="Run and record", identity=False)


def _data_dir() -> str:
    return os.environ.get("SURVKIT_DATA_DIR", "./data")


@dataclass(frozen=True)
class DataConfig:
    """Which data are read, and how; one field a flag."""

    dataset: str = _data("support2", "one of {datasets}")
    data_dir: str = _data(
        _data_dir,
        "folder of the data files",
        is_path=True,
        identity=False,
        shown_default="$SURVKIT_DATA_DIR, or ./data",
    )
    stratified_split: bool | None = _data(
        None,
        "give training, validation and test rows the same share of events",
        neutral=False,
        shown_default="for fewer than 2,000 rows, but not for support2, mnist and sepsis",
    )
    time_bins: int | None = _grid(
        None,
        "number of cuts of the time grid",
        at_least=2,
        at_most=1_000_000,
        shown_default="100, or 20 for fewer than 1,000 rows",
    )
    quantile_event_times: bool | None = _grid(
        None,
        "cuts at quantiles of the training event times, not evenly spaced",
        neutral=False,
        shown_default="for fewer than 1,000 rows",
    )
    labeling_floor_mode: bool = _grid(
        False, "label a time by the cut at or before it, not at or after it"
    )

    support2_features: Literal["published", "baseline"] = _support2(
        "published",
        "all 42 columns, or only those known at day 3 and not other models' predictions",
    )
    support2_start_day: float | None = _support2(
        None, "count time from this day, of patients still observed", above=0, at_most=1e6
    )
    support2_censor_day: float | None = _support2(
        None, "censor every patient at this day at the latest", above=0, at_most=1e6
    )

    mnist_means: tuple[float, ...] = _mnist(
        (1.0, 5.0, 9.0, 13.0, 17.0, 21.0, 25.0, 29.0, 33.0, 37.0),
        "mean event time of each of the 10 digits",
        above=0,
    )
    mnist_stds: tuple[float, ...] = _mnist(
        (1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0, 1.0, 1.0, 1.0),
        "standard deviation of the event time of each of the 10 digits",
        above=0,
    )
    mnist_censoring_percentage: float = _mnist(
        0.15, "share of the subjects censored before their event", at_least=0, below=1
    )
    mnist_sample_pct: float | tuple[float, ...] = _mnist(
        1.0,
        "share of the training rows to keep, or one for each of the 10 digits",
        at_least=0,
        at_most=1,
    )

    single_record: bool = _sepsis(
        True, "one row a patient, averaged over hours, not one for every hour before the onset"
    )
    num_hours: int | None = _sepsis(
        None,
        "hours of a patient to read, from the first",
        at_least=1,
        at_most=1_000_000,
        shown_default="all, or those before the landmark",
    )
    landmark_hours: int | None = _sepsis(
        None,
        "predict at this hour: for patients at risk then, from the hours before it",
        at_least=1,
        at_most=1_000_000,
    )
    administrative_censoring: bool = _sepsis(
        True,
        "patients without an onset are event-free up to the horizon, not censored when they leave",
    )
    skip_bad_files: bool = _sepsis(False, "leave out and count files that cannot be used")

    csv_path: str | None = _csv(
        None,
        "path of the table: .csv, .tsv, .txt (or .gz of these), .parquet, .xlsx, .sav, .dta or "
        ".sas7bdat",
        is_path=True,
        identity=False,
    )
    time_column: str | None = _csv(None, "column of event or censoring times")
    event_column: str | None = _csv(
        None, "column of events: 1/0, true/false, yes/no or t/f, or see event_value"
    )
    event_value: str | None = _csv(
        None, "value of the event column that means the event was seen, such as dead"
    )
    start_column: str | None = _csv(None, "column of the date that time counts from")
    end_column: str | None = _csv(None, "column of the date of event or censoring")
    date_format: str | None = _csv(
        None,
        "how these dates are written, such as %d/%m/%Y",
        shown_default="ISO dates, such as 2020-12-31",
    )
    time_unit: str | None = _csv(
        None,
        "unit of the times, for tables and axes, such as months; between dates one of days, "
        "weeks, months and years",
        identity=False,
        shown_default="none, or days between dates",
    )
    categorical_columns: tuple[str, ...] = _csv(
        (), "columns of categories, besides those of text", shown_default="columns of text"
    )
    numeric_columns: tuple[str, ...] = _csv(
        (),
        "columns of numbers in which <5 counts as 5, 98,099 as 98099 and 50.2% as 50.2",
        shown_default="columns that hold numbers alone",
    )
    drop_columns: tuple[str, ...] = _csv((), "columns to leave out")
    id_column: str | None = _csv(None, "column that names a row, which is no feature")
    group_column: str | None = _csv(
        None, "column that names the subject of several rows, which every split keeps together"
    )
    missing_values: tuple[str, ...] = _csv(
        (),
        "cells that mean a missing value, besides empty ones",
        shown_default="NA N/A <NA> NaN NULL None . ? #N/A -",
    )
    csv_separator: str | None = _csv(
        None,
        "comma, semicolon, tab or bar between the cells of a line",
        identity=False,
        shown_default="found",
    )
    csv_decimal: Literal["point", "comma"] | None = _csv(
        None, "decimal mark of the numbers", identity=False, shown_default="found"
    )
    csv_encoding: str | None = _csv(
        None, "encoding of the file, such as cp1252", identity=False, shown_default="found"
    )

    synthetic_rows: int = _synthetic(
        4000, "number of subjects to generate", at_least=50, at_most=10**9
    )
    synthetic_process: Literal["proportional", "nonproportional"] = _synthetic(
        "proportional", "whether hazards keep their ratio over time"
    )

    def __post_init__(self) -> None:
        validate(self)
        if self.time_unit is not None and not self.time_unit.strip():
            raise InputError("--time_unit is empty; it names the unit of the times, such as months")


@dataclass(frozen=True)
class TrainConfig(DataConfig):
    """Everything that defines a training run, one field a flag."""

    model: str = _model("fixed_moe", "one of {models}")
    hidden_dim: int = _model(128, "units of a hidden layer", at_least=1, at_most=1_000_000)
    num_hidden_layers: int = _model(2, "number of hidden layers", at_least=0, at_most=1000)
    dropout: float = _model(0.0, "share of units dropped before each layer", at_least=0, below=1)
    embedding_dimension: int = _model(
        4, "width of a categorical column's learned embedding", at_least=1, at_most=1_000_000
    )
    initial_curve: Literal["kaplan_meier", "random"] = _model(
        "kaplan_meier",
        "what a head predicts before it learns: the training rows' own curve for everybody, or "
        "what random weights give, as published",
        neutral="random",
    )
    numeric_inputs: Literal["scaled", "normal_scores"] = _model(
        "scaled",
        "how a network reads numbers: as they are scaled, or by rank, as normal scores of the "
        "training rows",
    )
    one_hot_embed: bool = _model(False, "one-hot categorical columns instead of learned embeddings")

    mixture_components: int = _experts(10, "number of experts", at_least=1, at_most=100_000)
    mixture_topk: int | None = _experts(
        None, "experts kept for each subject", at_least=1, at_most=100_000, shown_default="all"
    )
    expert_metric: Literal["dot", "euclidean"] = _experts(
        "dot", "how the router compares a subject with an expert"
    )
    learn_temperature: bool = _experts(True, "learn the temperature of the router's softmax")
    logit_temp: float = _experts(
        2.0, "temperature of the router's softmax at the start", above=0, at_most=1e6
    )
    time_warp_function: Literal["two_logistics", "beta_cdf"] = _experts(
        "two_logistics", "how adjustable_moe moves the time axis (beta_cdf: CPU only)"
    )
    moe_value_dim: int | None = _experts(
        None,
        "width of the value that personalized_moe gives its experts",
        at_least=1,
        at_most=1_000_000,
        shown_default="hidden_dim, rounded up to a multiple of the experts that share it",
    )
    moe_chunk_value_dim: bool = _experts(
        True, "split that value among the experts instead of giving each all of it"
    )

    cox_alpha: float = _cox(1e-3, "weight of the elastic net penalty", at_least=0, at_most=1e6)
    cox_l1_ratio: float = _cox(0.5, "share of the L1 norm in the penalty", above=0, at_most=1)

    rsf_n_estimators: int = _forest(100, "number of trees", at_least=1, at_most=1_000_000)
    rsf_min_samples_split: int = _forest(
        6, "training rows that a node needs to be split", at_least=2, at_most=10**9
    )
    rsf_max_features: str = _forest(
        "sqrt", "columns that are tried at each split: sqrt, log2, all or a whole number"
    )

    bart_backend: Literal["stochtree", "pymc"] = _bart(
        "stochtree", "engine: the fast C++ sampler, or pymc-bart's particle Gibbs"
    )
    bart_leaf_deviation: Literal["prior", "learned"] = _bart(
        "prior",
        "standard deviation of the leaves: that of the prior, or learned from the data",
    )
    bart_trees: int = _bart(50, "number of trees", at_least=1, at_most=100_000)
    bart_tune: int | None = _bart(
        None,
        "iterations of a chain that are thrown away",
        at_least=0,
        at_most=1_000_000,
        neutral=200,
        shown_default="200, or 100 on many rows",
    )
    bart_draws: int | None = _bart(
        None,
        "iterations of a chain that are kept",
        at_least=1,
        at_most=1_000_000,
        neutral=200,
        shown_default="200, or 150 on many rows",
    )
    bart_sweeps: int | None = _bart(
        None,
        "updates of every tree in one iteration (stochtree)",
        at_least=1,
        at_most=1_000_000,
        neutral=10,
        shown_default="10, or 1 on many rows",
    )
    bart_regrow: int | None = _bart(
        None,
        "trees that every iteration besides grows anew (stochtree): chains of many rows come "
        "together, but only approximate the posterior",
        at_least=0,
        at_most=100_000,
        neutral=0,
        shown_default="0, or 12 of 50 trees on more than 20,000 rows of person-period data",
    )
    bart_chains: int = _bart(4, "number of chains", at_least=1, at_most=1000)
    bart_cores: int | None = _bart(
        None,
        "chains that run at a time",
        at_least=1,
        at_most=10_000,
        identity=False,
        shown_default="all processors",
    )
    bart_max_rows: int | None = _bart(
        None,
        "merge intervals of the grid until there are no more rows of person-period data",
        at_least=1,
        at_most=10**9,
        neutral=200_000,
        shown_default="100,000 with stochtree, 200,000 with pymc",
    )
    bart_subsample: int | None = _bart(
        None,
        "fit on so many training subjects, drawn at random",
        at_least=2,
        at_most=10**9,
        shown_default="all",
    )

    epochs: int = _optimisation(1000, "passes over the data at most", at_least=1, at_most=10**9)
    lr: float = _optimisation(5e-4, "learning rate", above=0, at_most=1e30)
    batch_size: int = _optimisation(64, "subjects in a batch", at_least=1, at_most=10**9)
    optimizer: Literal["Adam", "AdamW", "SGD"] = _optimisation(
        "Adam", "optimiser (Adam and AdamW with eps 1e-7)"
    )
    early_stopping_patience: int = _optimisation(
        10, "epochs without improvement before it stops", at_least=1, at_most=10**9
    )
    monitored_val_metric: str = _optimisation(
        "loss", "validation metric that chooses the best epoch"
    )
    minimize_val_metric: bool = _optimisation(True, "whether smaller is better for that metric")

    group_ent_lambda: float = _regularisers(
        0.01, "weight of equal use of the experts in a batch", at_least=0, at_most=1e6
    )
    instance_ent_lambda: float = _regularisers(
        0.0, "weight of the entropy of a subject's routing", at_least=0, at_most=1e6
    )
    cosine_anneal_group_ent_lambda: bool = _regularisers(
        False, "let group_ent_lambda fall along a cosine"
    )
    cosine_anneal_hold_epochs: int = _regularisers(
        0, "epochs before it begins to fall", at_least=0, at_most=10**9
    )
    cosine_anneal_epochs: int = _regularisers(
        2, "epochs over which it falls", at_least=1, at_most=10**9
    )
    cosine_anneal_min_lambda_multiplier: float = _regularisers(
        0.0, "share of it that is left at the end", at_least=0, at_most=1
    )

    calibrate: bool = _calibration(
        False, "map the predicted probabilities after training, as the validation split suggests"
    )

    evaluation: Literal["standard", "published"] = _evaluation(
        "standard",
        "conventions of the metrics: this project's, or those behind the published table",
    )
    point_error: Literal["absolute", "relative", "squared", "log"] = _evaluation(
        "absolute", "error that point_error_optimal minimises"
    )
    min_at_risk: int = _evaluation(
        10,
        "subjects who must still be at risk at the time of a metric; it is missing otherwise",
        at_least=0,
        at_most=10**9,
        neutral=0,
    )
    evaluation_times: tuple[float, ...] = _evaluation(
        (),
        "further times of Brier score, AUC, accuracy and calibration error, in the data's unit",
        above=0,
    )
    bootstrap: int = _evaluation(
        1000, "bootstrap samples for the test intervals", at_least=0, at_most=1_000_000
    )

    seed: int = _run(
        42,
        "seed of initialisation and data order, not of the split",
        at_least=0,
        at_most=2**32 - 1,
        identity=True,
    )
    seeds: tuple[int, ...] | None = _run(
        None,
        "train with each of these seeds, networks all at once; the records are those that "
        "--seed makes one by one",
        at_least=0,
        at_most=2**32 - 1,
    )
    device: str | None = _run(
        None,
        "torch device to train on, as cpu or cuda:1",
        shown_default="cuda where there is one, else cpu",
    )
    log_dir: str = _run("./logs", "folder of all records", is_path=True)
    group: str | None = _run(
        None,
        "subfolder of log_dir for this record",
        is_path=True,
        shown_default="the dataset's name",
    )
    max_memory_gb: float | None = _run(
        None,
        "refuse a run that is estimated to need more memory, in GB",
        above=0,
        shown_default="what this machine has",
    )
    resume: bool = _run(True, "go on where an interrupted run stopped")
    overwrite: bool = _run(False, "train again though there is a complete record")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.group is not None:
            check_group(self.group)
        if self.seeds is not None and len(set(self.seeds)) < len(self.seeds):
            raise InputError(f"--seeds names a seed twice: {' '.join(map(str, self.seeds))}")
        if len(set(self.evaluation_times)) < len(self.evaluation_times):
            raise InputError(
                "--evaluation_times names a time twice: "
                + " ".join(map("{:g}".format, self.evaluation_times))
            )
        if not re.fullmatch(r"sqrt|log2|all|[1-9]\d{0,8}", self.rsf_max_features, re.ASCII):
            raise InputError(
                f"--rsf_max_features is '{self.rsf_max_features}'; it must be sqrt, log2, all or a "
                "whole number above 0"
            )
        if self.mixture_topk is not None and self.mixture_topk > self.mixture_components:
            raise InputError(
                f"--mixture_topk is {self.mixture_topk}, more than the "
                f"{self.mixture_components} experts of --mixture_components"
            )

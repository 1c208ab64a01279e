"""Configuration of one training run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from survkit.configs.options import option, validate
from survkit.types import InputError

DATA = "Data"
GRID = "Time grid"
SUPPORT2 = "SUPPORT2"
SURVIVAL_MNIST = "Survival MNIST (--dataset mnist or digits)"
SEPSIS = "Sepsis"
CSV = "Your own table (--dataset csv)"
SYNTHETIC = "Synthetic data"
MODEL = "Model"
EXPERTS = "Mixture of experts"
COX = "Cox regression (--model coxph)"
FOREST = "Random survival forest (--model rsf)"
BART = "Bayesian additive regression trees (--model bart)"
OPTIMISATION = "Optimisation"
REGULARISERS = "Regularisers of the router"
CALIBRATION = "Calibration"
EVALUATION = "Evaluation"
RUN = "Run and record"


def _data_dir() -> str:
    return os.environ.get("SURVKIT_DATA_DIR", "./data")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that defines a training run, one field a flag."""

    dataset: str = option(
        "support2",
        topic=DATA,
        help="one of {datasets}",
    )
    data_dir: str = option(
        _data_dir,
        topic=DATA,
        identity=False,
        help="folder of the data files",
        shown_default="$SURVKIT_DATA_DIR, or ./data",
    )
    time_bins: int | None = option(
        None,
        topic=GRID,
        at_least=2,
        help="number of cuts of the time grid",
        shown_default="100, or 20 for fewer than 1,000 rows",
    )
    quantile_event_times: bool = option(
        False, topic=GRID, help="cuts at quantiles of the training event times, not evenly spaced"
    )
    labeling_floor_mode: bool = option(
        False, topic=GRID, help="label a time by the cut at or before it, not at or after it"
    )

    support2_features: Literal["published", "baseline"] = option(
        "published",
        topic=SUPPORT2,
        help="all 42 columns, or only those known at day 3 and not other models' predictions",
    )
    support2_start_day: float | None = option(
        None, topic=SUPPORT2, above=0, help="count time from this day, of patients still observed"
    )
    support2_censor_day: float | None = option(
        None, topic=SUPPORT2, above=0, help="censor every patient at this day at the latest"
    )

    mnist_means: tuple[float, ...] = option(
        (1.0, 5.0, 9.0, 13.0, 17.0, 21.0, 25.0, 29.0, 33.0, 37.0),
        topic=SURVIVAL_MNIST,
        above=0,
        help="mean event time of each of the 10 digits",
    )
    mnist_stds: tuple[float, ...] = option(
        (1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0, 1.0, 1.0, 1.0),
        topic=SURVIVAL_MNIST,
        above=0,
        help="standard deviation of the event time of each of the 10 digits",
    )
    mnist_censoring_percentage: float = option(
        0.15,
        topic=SURVIVAL_MNIST,
        at_least=0,
        below=1,
        help="share of the subjects censored before their event",
    )
    mnist_sample_pct: float = option(
        1.0, topic=SURVIVAL_MNIST, above=0, at_most=1, help="share of the training rows to keep"
    )

    single_record: bool = option(
        True,
        topic=SEPSIS,
        help="one row a patient, averaged over hours, not one for every hour before the onset",
    )
    num_hours: int | None = option(
        None,
        topic=SEPSIS,
        at_least=1,
        help="hours of a patient to read, from the first",
        shown_default="all, or those before the landmark",
    )
    landmark_hours: int | None = option(
        None,
        topic=SEPSIS,
        at_least=1,
        help="predict at this hour: for patients at risk then, from the hours before it",
    )
    administrative_censoring: bool = option(
        True,
        topic=SEPSIS,
        help="patients without an onset are event-free up to the horizon, not censored when they "
        "leave",
    )
    skip_bad_files: bool = option(
        False, topic=SEPSIS, help="leave out and count files that cannot be used"
    )

    csv_path: str | None = option(None, topic=CSV, identity=False, help="path of the CSV file")
    time_column: str | None = option(None, topic=CSV, help="column of event or censoring times")
    event_column: str | None = option(None, topic=CSV, help="column of events: 1 seen, 0 censored")
    categorical_columns: tuple[str, ...] = option(
        (), topic=CSV, help="columns to encode as categories; all others are numbers"
    )

    synthetic_rows: int = option(
        4000, topic=SYNTHETIC, at_least=50, help="number of subjects to generate"
    )
    synthetic_process: Literal["proportional", "nonproportional"] = option(
        "proportional", topic=SYNTHETIC, help="whether hazards keep their ratio over time"
    )

    model: str = option(
        "fixed_moe",
        topic=MODEL,
        help="one of {models}",
    )
    hidden_dim: int = option(128, topic=MODEL, at_least=1, help="units of a hidden layer")
    num_hidden_layers: int = option(2, topic=MODEL, at_least=0, help="number of hidden layers")
    dropout: float = option(
        0.0, topic=MODEL, at_least=0, below=1, help="share of units dropped before each layer"
    )
    embedding_dimension: int = option(
        4, topic=MODEL, at_least=1, help="width of a categorical column's learned embedding"
    )
    one_hot_embed: bool = option(
        False, topic=MODEL, help="one-hot categorical columns instead of learned embeddings"
    )

    mixture_components: int = option(10, topic=EXPERTS, at_least=1, help="number of experts")
    mixture_topk: int | None = option(
        None,
        topic=EXPERTS,
        at_least=1,
        help="experts kept for each subject",
        shown_default="all",
    )
    expert_metric: Literal["dot", "euclidean"] = option(
        "dot", topic=EXPERTS, help="how the router compares a subject with an expert"
    )
    learn_temperature: bool = option(
        True, topic=EXPERTS, help="learn the temperature of the router's softmax"
    )
    logit_temp: float = option(
        2.0, topic=EXPERTS, above=0, help="temperature of the router's softmax at the start"
    )
    time_warp_function: Literal["two_logistics", "beta_cdf"] = option(
        "two_logistics",
        topic=EXPERTS,
        help="how adjustable_moe moves the time axis (beta_cdf: CPU only)",
    )
    moe_value_dim: int | None = option(
        None,
        topic=EXPERTS,
        at_least=1,
        help="width of the value that personalized_moe gives its experts",
        shown_default="hidden_dim",
    )
    moe_chunk_value_dim: bool = option(
        True,
        topic=EXPERTS,
        help="split that value among the experts instead of giving each all of it",
    )

    cox_alpha: float = option(1e-3, topic=COX, at_least=0, help="weight of the elastic net penalty")
    cox_l1_ratio: float = option(
        0.5, topic=COX, above=0, at_most=1, help="share of the L1 norm in the penalty"
    )

    rsf_n_estimators: int = option(100, topic=FOREST, at_least=1, help="number of trees")
    rsf_min_samples_split: int = option(
        6, topic=FOREST, at_least=2, help="training rows that a node needs to be split"
    )
    rsf_max_features: Literal["sqrt", "log2", "all"] = option(
        "sqrt", topic=FOREST, help="how many of the columns are tried at each split"
    )
    max_memory_gb: float = option(
        8.0,
        topic=FOREST,
        above=0,
        identity=False,
        help="refuse a forest that is estimated to need more memory, in GB",
    )

    bart_backend: Literal["stochtree", "pymc"] = option(
        "stochtree",
        topic=BART,
        help="engine: the fast C++ sampler, or pymc-bart's particle Gibbs",
    )
    bart_trees: int = option(50, topic=BART, at_least=1, help="number of trees")
    bart_tune: int = option(
        200, topic=BART, at_least=0, help="iterations of a chain that are thrown away"
    )
    bart_draws: int = option(
        200, topic=BART, at_least=1, help="iterations of a chain that are kept"
    )
    bart_sweeps: int = option(
        10, topic=BART, at_least=1, help="updates of every tree in one iteration (stochtree)"
    )
    bart_regrow: int = option(
        0,
        topic=BART,
        at_least=0,
        help="trees that every iteration besides grows anew (stochtree): chains of many rows come "
        "together, but only approximate the posterior",
    )
    bart_chains: int = option(4, topic=BART, at_least=1, help="number of chains")
    bart_cores: int | None = option(
        None,
        topic=BART,
        at_least=1,
        identity=False,
        help="chains that run at a time",
        shown_default="all processors",
    )
    bart_max_rows: int = option(
        200_000,
        topic=BART,
        at_least=1,
        help="merge intervals of the grid until there are no more rows of person-period data",
    )
    bart_subsample: int | None = option(
        None,
        topic=BART,
        at_least=2,
        help="fit on so many training subjects, drawn at random",
        shown_default="all",
    )

    epochs: int = option(1000, topic=OPTIMISATION, at_least=1, help="passes over the data at most")
    lr: float = option(5e-4, topic=OPTIMISATION, above=0, help="learning rate")
    batch_size: int = option(64, topic=OPTIMISATION, at_least=1, help="subjects in a batch")
    optimizer: Literal["Adam", "AdamW", "SGD"] = option(
        "Adam", topic=OPTIMISATION, help="optimiser (Adam and AdamW with eps 1e-7)"
    )
    early_stopping_patience: int = option(
        10, topic=OPTIMISATION, at_least=1, help="epochs without improvement before it stops"
    )
    monitored_val_metric: str = option(
        "loss", topic=OPTIMISATION, help="validation metric that chooses the best epoch"
    )
    minimize_val_metric: bool = option(
        True, topic=OPTIMISATION, help="whether smaller is better for that metric"
    )

    group_ent_lambda: float = option(
        0.01, topic=REGULARISERS, at_least=0, help="weight of equal use of the experts in a batch"
    )
    instance_ent_lambda: float = option(
        0.0, topic=REGULARISERS, at_least=0, help="weight of the entropy of a subject's routing"
    )
    cosine_anneal_group_ent_lambda: bool = option(
        False, topic=REGULARISERS, help="let group_ent_lambda fall along a cosine"
    )
    cosine_anneal_hold_epochs: int = option(
        0, topic=REGULARISERS, at_least=0, help="epochs before it begins to fall"
    )
    cosine_anneal_epochs: int = option(
        2, topic=REGULARISERS, at_least=1, help="epochs over which it falls"
    )
    cosine_anneal_min_lambda_multiplier: float = option(
        0.0, topic=REGULARISERS, at_least=0, at_most=1, help="share of it that is left at the end"
    )

    calibrate: bool = option(
        False,
        topic=CALIBRATION,
        help="map the predicted probabilities after training, as the validation split suggests",
    )

    evaluation: Literal["standard", "published"] = option(
        "standard",
        topic=EVALUATION,
        help="conventions of the metrics: this project's, or those behind the published table",
    )
    point_error: Literal["absolute", "relative", "squared", "log"] = option(
        "absolute", topic=EVALUATION, help="error that point_error_optimal minimises"
    )
    bootstrap: int = option(
        1000, topic=EVALUATION, at_least=0, help="bootstrap samples for the test intervals"
    )

    seed: int = option(
        42,
        topic=RUN,
        at_least=0,
        at_most=2**32 - 1,
        help="seed of initialisation and data order, not of the split",
    )
    seeds: tuple[int, ...] | None = option(
        None,
        topic=RUN,
        identity=False,
        at_least=0,
        at_most=2**32 - 1,
        help="train with each of these seeds, networks all at once; the records are those that "
        "--seed makes one by one",
    )
    device: str | None = option(
        None,
        topic=RUN,
        identity=False,
        help="torch device to train on, as cpu or cuda:1",
        shown_default="cuda where there is one, else cpu",
    )
    log_dir: str = option("./logs", topic=RUN, identity=False, help="folder of all records")
    group: str | None = option(
        None,
        topic=RUN,
        identity=False,
        help="subfolder of log_dir for this record",
        shown_default="the dataset's name",
    )
    resume: bool = option(
        True, topic=RUN, identity=False, help="go on where an interrupted run stopped"
    )
    overwrite: bool = option(
        False, topic=RUN, identity=False, help="train again though there is a complete record"
    )

    def __post_init__(self) -> None:
        validate(self)
        if self.group in ("", "..") or (self.group and Path(self.group).name != self.group):
            raise InputError(
                f"--group is '{self.group}'; it must be the name of one folder in --log_dir"
            )
        if self.seeds is not None and len(set(self.seeds)) < len(self.seeds):
            raise InputError(f"--seeds names a seed twice: {' '.join(map(str, self.seeds))}")
        if self.mixture_topk is not None and self.mixture_topk > self.mixture_components:
            raise InputError(
                f"--mixture_topk is {self.mixture_topk}, more than the "
                f"{self.mixture_components} experts of --mixture_components"
            )

"""Configuration of one training run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Literal

from survkit.configs.data import DataConfig
from survkit.configs.groups import check_group
from survkit.configs.options import option
from survkit.types import InputError

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
        "number of training subjects to fit on, drawn at random",
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
    evaluate_test: bool = _evaluation(
        True,
        "evaluate on the test rows; without it the record is one of a search, whose choices must "
        "not see them",
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
    loss_limits: tuple[float, ...] = _run(
        (),
        "end the run where its best validation loss after 10, 20, 40, 80, ... epochs is above "
        "these limits (networks)",
    )
    resume: bool = _run(True, "go on where an interrupted run stopped")
    overwrite: bool = _run(False, "train again though there is a complete record")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.group is not None:
            check_group(self.group)
        if self.seeds is not None and len(set(self.seeds)) < len(self.seeds):
            raise InputError(f"--seeds names a seed twice: {' '.join(map(str, self.seeds))}")
        if self.loss_limits and len(self.seeds or ()) > 1:
            raise InputError("--loss_limits is for one seed, and --seeds names several")
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

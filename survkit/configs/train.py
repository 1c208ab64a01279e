"""Configuration of one training run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from survkit.configs.groups import check_group
from survkit.configs.model import ModelConfig
from survkit.configs.options import option
from survkit.configs.subgroups import check_subgroup_names
from survkit.types import InputError

_optimisation = partial(option, topic="Optimisation")
_regularisers = partial(option, topic="Regularisers of the router")
_calibration = partial(option, topic="Calibration")
_conformal = partial(option, topic="Conformal calibration")
_evaluation = partial(option, topic="Evaluation")
_run = partial(option, topic="Run and record", identity=False)


@dataclass(frozen=True)
class TrainConfig(ModelConfig):
    """Everything that defines a training run, one field a flag."""

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

    conformal: Literal["none", "csd", "cipot"] = _conformal(
        "none",
        "hold calibration rows out of the training rows, to calibrate the predicted curves by this "
        "method and to bound survival times from below",
    )
    conformal_level: float = _conformal(
        0.9, "probability with which a survival time is to exceed its lower bound", above=0, below=1
    )
    conformal_share: float = _conformal(
        0.2, "share of the training rows that are held out for calibration", above=0, below=1
    )
    conformal_groups: Literal["none", "expert"] = _conformal(
        "none", "calibrate over all rows, or among the subjects of each expert (mixtures)"
    )
    conformal_censoring: Literal["kaplan_meier", "coxph"] = _conformal(
        "kaplan_meier",
        "how censoring is estimated: for everybody alike, or by a Cox regression on the features",
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
    subgroups: tuple[str, ...] = _evaluation(
        (),
        "columns whose subgroups of the test rows are scored and compared, as sex age:50,65 "
        "expert; a complete record gets them without training",
        identity=False,
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
        if self.conformal != "none":
            self._check_conformal()
        if self.seeds is not None and len(set(self.seeds)) < len(self.seeds):
            raise InputError(f"--seeds names a seed twice: {' '.join(map(str, self.seeds))}")
        if self.loss_limits and len(self.seeds or ()) > 1:
            raise InputError("--loss_limits is for one seed, and --seeds names several")
        check_subgroup_names(self.subgroups)
        if len(set(self.evaluation_times)) < len(self.evaluation_times):
            raise InputError(
                "--evaluation_times names a time twice: "
                + " ".join(map("{:g}".format, self.evaluation_times))
            )

    def _check_conformal(self) -> None:
        if self.calibrate:
            raise InputError(
                "--calibrate and --conformal both map the predicted probabilities; choose one"
            )
        if self.evaluation == "published":
            raise InputError(
                "--conformal needs --evaluation standard: the published one renormalises the "
                "curves of baselines after they are calibrated"
            )

"""The networks of pycox (DeepSurv, DeepHit, logistic hazard) on survkit's backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from survkit.baselines.columns import FeatureColumns
from survkit.baselines.proportional_hazards import (
    baseline_cumulative_hazard,
    proportional_hazards_survival,
)
from survkit.baselines.pycox_losses import OBJECTIVES
from survkit.baselines.pycox_training import FITTING_PARAMETERS, Sample, train_pycox_network
from survkit.heads.backbone import Backbone
from survkit.training.batch import EVALUATION_ROWS, as_tensor
from survkit.training.neural_model import check_device, survival_from_class_probabilities
from survkit.training.parameters import BACKBONE_PARAMETERS
from survkit.types import (
    FitMonitor,
    FitSummary,
    InputError,
    SurvivalData,
    SurvivalPrediction,
    TimeGrid,
)


class PycoxModel:
    """A backbone with one linear layer, trained with one of pycox's losses.

    `deepsurv` predicts a log hazard ratio, which a Breslow baseline of the training rows on their
    raw times turns into survival; `deephit` the probability of each class of the grid, one of
    them beyond the horizon; `logistic_hazard` the hazard at each cut.

    Parameters
    ----------
    name : {"deepsurv", "deephit", "logistic_hazard"}
        The network.
    grid : TimeGrid
        The cuts at which survival is predicted, and the discrete times of `deephit` and
        `logistic_hazard`.
    parameters : mapping
        The backbone's and the training's parameters, named as the command's flags.
    seed : int
        Seed of initialisation, data order and dropout.
    device : str
        The torch device to train on.

    Raises
    ------
    InputError
        For an unknown device, or a `monitored_val_metric` other than the loss.
    """

    def __init__(
        self,
        name: str,
        *,
        grid: TimeGrid,
        parameters: Mapping[str, Any],
        seed: int = 42,
        device: str = "cpu",
        validation_metrics: object = None,
    ) -> None:
        self.name = name
        self.objective = OBJECTIVES[name]
        self.grid = grid
        names = (*BACKBONE_PARAMETERS, *FITTING_PARAMETERS)
        self.parameters = {key: parameters[key] for key in names}
        self.seed = seed
        self.device = check_device(device)
        self.baseline: NDArray[np.float64] | None = None
        self.fit_summary = FitSummary()
        if parameters["monitored_val_metric"] != "loss" or not parameters["minimize_val_metric"]:
            raise InputError(
                f"--monitored_val_metric is '{parameters['monitored_val_metric']}', "
                f"--minimize_val_metric {parameters['minimize_val_metric']}; {name} can only be "
                "stopped by its own loss, minimised"
            )

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Train until the validation loss stops falling; keep the best epoch's weights.

        Raises
        ------
        InputError
            For `deepsurv` without an event in the training or validation rows, or a loss that is
            not finite from the start.
        """
        self.columns = FeatureColumns.of(train)
        cuda = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):
            torch.manual_seed(self.seed)
            self.network = self._build()
            summary = train_pycox_network(
                self.network,
                self.objective,
                Sample.from_data(train, self.grid, self.device),
                Sample.from_data(validation, self.grid, self.device),
                parameters=self.parameters,
                seed=self.seed,
                monitor=monitor,
            )
        if self.objective.proportional_hazards:
            log_risk = self._outputs(train.features)[:, 0]
            self.baseline = baseline_cumulative_hazard(
                log_risk.numpy(), train.event, train.time, self.grid.cuts
            )
        num_parameters = sum(p.numel() for p in self.network.parameters())
        self.fit_summary = FitSummary(num_parameters, *summary)
        return self

    def _build(self) -> nn.Module:
        backbone = Backbone(
            num_features=len(self.columns.names),
            categorical=self.columns.categorical,
            **{name: self.parameters[name] for name in BACKBONE_PARAMETERS},
        )
        # A hazard ratio has no intercept: it would be part of the baseline hazard.
        outputs = (
            nn.Linear(backbone.output_dim, 1, bias=False)
            if self.objective.proportional_hazards
            else nn.Linear(backbone.output_dim, len(self.grid.cuts))
        )
        return nn.Sequential(backbone, outputs).to(self.device)

    def _outputs(self, features: NDArray[np.float32]) -> Tensor:
        """Return the network's outputs, in double on the CPU."""
        self.network.eval()
        starts = range(0, len(features), EVALUATION_ROWS)
        with torch.no_grad():
            chunks = (as_tensor(features[at : at + EVALUATION_ROWS]) for at in starts)
            return torch.cat([self.network(c.to(self.device)).double().cpu() for c in chunks])

    def predict(self, features: NDArray[np.float32]) -> SurvivalPrediction:
        """Predict survival at the grid's cuts for features of shape (n, p)."""
        self.columns.check(features)
        outputs = self._outputs(features)
        return SurvivalPrediction(self.grid.cuts, self._survival(outputs))

    def _survival(self, outputs: Tensor) -> NDArray[np.float64]:
        if self.baseline is not None:
            return proportional_hazards_survival(outputs[:, 0].numpy(), self.baseline)
        if self.name == "deephit":
            probabilities = F.pad(outputs, (0, 1)).softmax(1)  # beyond the horizon: logit 0
            return survival_from_class_probabilities(probabilities.numpy())
        # S(cut k) = prod_{j <= k} (1 - hazard_j), on the log scale
        return np.asarray(F.logsigmoid(-outputs).cumsum(1).exp().numpy())

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values."""
        return {
            "name": self.name,
            "cuts": self.grid.cuts,
            "floor": self.grid.floor,
            "parameters": self.parameters,
            "seed": self.seed,
            "columns": self.columns.state(),
            "fit_summary": list(self.fit_summary),
            "weights": {k: v.cpu().numpy() for k, v in self.network.state_dict().items()},
            "baseline": self.baseline,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model, on the CPU, from what `state` returned."""
        model = cls(
            state["name"],
            grid=TimeGrid(np.asarray(state["cuts"]), state["floor"]),
            parameters=state["parameters"],
            seed=state["seed"],
        )
        model.columns = FeatureColumns.from_state(state["columns"])
        model.fit_summary = FitSummary(*state["fit_summary"])
        model.network = model._build()
        weights = {name: torch.as_tensor(w) for name, w in state["weights"].items()}
        model.network.load_state_dict(weights)
        if state["baseline"] is not None:
            model.baseline = np.asarray(state["baseline"])
        return model

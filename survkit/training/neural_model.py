"""The networks as survival models: fit, predict, keep and rebuild."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from survkit.heads import HEADS, build_head
from survkit.training.batch import EVALUATION_ROWS, Batch, as_tensor
from survkit.training.network import SurvivalNetwork
from survkit.training.parameters import head_parameters
from survkit.training.trainer import Training, train_networks
from survkit.types import (
    CategoricalColumn,
    FitMonitor,
    FitSummary,
    InputError,
    SurvivalData,
    SurvivalPrediction,
    TimeGrid,
    check_features,
)

ValidationMetrics = Callable[[SurvivalPrediction], Mapping[str, float]]


def _no_metrics(prediction: SurvivalPrediction) -> Mapping[str, float]:
    return {}


class NeuralSurvivalModel:
    """A backbone with one of the heads, trained by maximum likelihood on a time grid.

    Parameters
    ----------
    head : str
        A key of `survkit.heads.HEADS`.
    grid : TimeGrid
        The cuts that make the classes.
    parameters : mapping
        The network's and the training's parameters, named as the command's flags.
    seed : int
        Seed of initialisation, data order and dropout.
    device : str
        The torch device to train on, as "cpu" or "cuda:1".
    validation_metrics : callable, optional
        Metrics of the validation split, beyond its loss, to compute once an epoch.

    Raises
    ------
    InputError
        For an unknown device, or parameters that do not fit together.
    """

    def __init__(
        self,
        head: str,
        *,
        grid: TimeGrid,
        parameters: Mapping[str, Any],
        seed: int = 42,
        device: str = "cpu",
        validation_metrics: ValidationMetrics | None = None,
    ) -> None:
        self.head = head
        self.grid = grid
        self.parameters = {name: parameters[name] for name in head_parameters(head)}
        self.seed = seed
        self.device = check_device(device)
        if self.parameters["num_hidden_layers"]:  # else the data decide the width
            with torch.device("meta"):
                build_head(head, parameters["hidden_dim"], grid.num_classes, parameters)
        self.validation_metrics = validation_metrics or _no_metrics
        self.fit_summary = FitSummary()

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Train until the validation metric stops improving; keep the best epoch's weights.

        Raises
        ------
        InputError
            For parameters that do not fit together, or a loss that is not finite from the start.
        """
        (error,) = fit_together([self], train, validation, monitors=[monitor])
        if error is not None:
            raise error
        return self

    def _new_training(
        self, train: SurvivalData, validation: SurvivalData, monitor: FitMonitor | None
    ) -> Training:
        """Return a training of a new network, from random numbers that are the seed's alone."""
        self._inputs = (train.features.shape[1], train.categorical)
        dropout = torch.Generator(self.device).manual_seed(self.seed)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            self.network = self._build()
            if self.device.type == "cpu":  # not the numbers that the weights start from
                dropout.set_state(torch.get_rng_state())
        return Training(
            self.network,
            order=torch.Generator().manual_seed(self.seed),
            dropout=dropout,
            validation_metrics=lambda: self.validation_metrics(self.predict(validation.features)),
            monitor=monitor,
        )

    def _build(self) -> SurvivalNetwork:
        num_features, categorical = self._inputs
        network = SurvivalNetwork(
            self.head,
            num_features=num_features,
            categorical=categorical,
            num_classes=self.grid.num_classes,
            parameters=self.parameters,
        )
        return network.to(self.device)

    def predict(self, features: NDArray[np.float32]) -> SurvivalPrediction:
        """Predict survival at the grid's cuts, and the router's weights where there are experts.

        Parameters
        ----------
        features : array, shape (n, p), float32
            Encoded as the training features were.

        Returns
        -------
        SurvivalPrediction
            survival (n, m) at the m cuts; expert_weights (n, E) for a mixture.

        Raises
        ------
        InputError
            For another number of columns, values that are not finite or unknown codes.
        """
        probabilities, gates = [], []
        with torch.no_grad():
            for chunk in self._checked_chunks(features):
                output = self.network(chunk)
                # Normalised again in double, so that the mass sums to 1 to rounding.
                probabilities.append(output.log_probs.double().softmax(-1).cpu().numpy())
                gates.append(output.log_gates.double().softmax(-1).cpu().numpy())
        return SurvivalPrediction(
            self.grid.cuts,
            survival_from_class_probabilities(np.concatenate(probabilities)),
            np.concatenate(gates) if HEADS[self.head].is_mixture else None,
        )

    def hidden_state(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the head sees of each subject, shape (n, width of the last hidden layer).

        Parameters and errors are those of `predict`.
        """
        with torch.no_grad():
            chunks = [self.network.backbone(chunk) for chunk in self._checked_chunks(features)]
        return torch.cat(chunks).cpu().numpy()

    def _checked_chunks(self, features: NDArray[np.float32]) -> Iterator[torch.Tensor]:
        """Yield features on the device, chunk by chunk, for a network that does not learn."""
        if features.ndim != 2 or features.shape[1] != self._inputs[0]:
            raise InputError(
                f"features must have shape (n, {self._inputs[0]}), not {features.shape}"
            )
        check_features(features, self._inputs[1])
        self.network.eval()
        for start in range(0, len(features), EVALUATION_ROWS):
            yield as_tensor(features[start : start + EVALUATION_ROWS]).to(self.device)

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values."""
        num_features, categorical = self._inputs
        return {
            "head": self.head,
            "cuts": self.grid.cuts,
            "floor": self.grid.floor,
            "parameters": self.parameters,
            "seed": self.seed,
            "num_features": num_features,
            "categorical": [list(column) for column in categorical],
            "fit_summary": list(self.fit_summary),
            "weights": {k: v.cpu().numpy() for k, v in self.network.state_dict().items()},
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model, on the CPU, from what `state` returned."""
        model = cls(
            state["head"],
            grid=TimeGrid(np.asarray(state["cuts"]), state["floor"]),
            parameters=state["parameters"],
            seed=state["seed"],
        )
        columns = tuple(CategoricalColumn(*column) for column in state["categorical"])
        model._inputs = (state["num_features"], columns)
        model.fit_summary = FitSummary(*state["fit_summary"])
        model.network = model._build()
        weights = {name: torch.as_tensor(w) for name, w in state["weights"].items()}
        model.network.load_state_dict(weights)
        return model


def fit_together(
    models: Sequence[NeuralSurvivalModel],
    train: SurvivalData,
    validation: SurvivalData,
    *,
    monitors: Sequence[FitMonitor | None],
) -> list[InputError | None]:
    """Fit models that differ in nothing but their seeds, as one stacked network.

    Each ends as it would alone, to rounding.

    Parameters
    ----------
    models : sequence of NeuralSurvivalModel
        Of the same head, grid, parameters and device.
    train, validation : SurvivalData
        The rows of all models.
    monitors : sequence of FitMonitor or None
        One for each model.

    Returns
    -------
    list of InputError or None
        For each model that could not be fitted, why; the others are fitted.

    Raises
    ------
    InputError
        For parameters that do not fit together.
    """
    first = models[0]
    trainings = [
        model._new_training(train, validation, monitor)
        for model, monitor in zip(models, monitors, strict=True)
    ]
    train_networks(
        trainings,
        Batch.from_data(train, first.grid, first.device),
        Batch.from_data(validation, first.grid, first.device),
        parameters=first.parameters,
    )
    errors: list[InputError | None] = []
    for model, training in zip(models, trainings, strict=True):
        size = sum(weight.numel() for weight in model.network.parameters())
        model.fit_summary = FitSummary(size, *training.summary)
        failed = training.summary.best_epoch == 0
        errors.append(_never_finite(first.parameters["lr"]) if failed else None)
    return errors


def _never_finite(lr: float) -> InputError:
    return InputError(
        f"the loss is not finite in the first epoch; a smaller --lr than {lr} may help"
    )


def survival_from_class_probabilities(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return S(cuts[k]) = sum_{j > k} p_j, shape (n, m), of class probabilities (n, m + 1)."""
    tails = np.cumsum(probabilities[:, ::-1], axis=1)[:, ::-1]
    return np.minimum(tails[:, 1:], 1.0)  # the sum of all but rounding


def check_device(name: str) -> torch.device:
    """Return the torch device of that name.

    Raises
    ------
    InputError
        Where it is not a device, or this machine does not have it.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device).tolist()  # the meta device has no values
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first_line = str(error).partition("\n")[0]
        count = torch.cuda.device_count()
        present = ", ".join(["cpu", *(f"cuda:{i}" for i in range(count))])
        raise InputError(
            f"--device {name} cannot be used ({first_line}); this machine has {present}"
        ) from None
    return device

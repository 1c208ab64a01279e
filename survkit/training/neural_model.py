"""The networks as survival models: fit, predict, keep and rebuild."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from survkit.heads.start import class_masses
from survkit.training.batch import EVALUATION_ROWS, Batch, as_tensor
from survkit.training.device import check_device
from survkit.training.network import SurvivalNetwork
from survkit.training.normal_scores import NormalScores
from survkit.training.objective import (
    HEAD_OBJECTIVES,
    Objective,
    class_labels,
    warn_of_lost_events,
)
from survkit.training.parameters import (
    BACKBONE_PARAMETERS,
    INPUT_PARAMETERS,
    OPTIMISATION_PARAMETERS,
)
from survkit.training.trainer import train_networks
from survkit.training.unfinished import Training
from survkit.types import (
    CategoricalColumn,
    FitMonitor,
    FitSummary,
    InputError,
    Knots,
    NotFiniteError,
    SurvivalData,
    SurvivalPrediction,
    TimeGrid,
    check_features,
)

EARLIER = {"initial_curve": "random", "numeric_inputs": "scaled"}
"""Parameters that the states of earlier versions lack."""

ValidationMetrics = Callable[[SurvivalPrediction], Mapping[str, float]]


class _Inputs(NamedTuple):
    """What a network knows of the data that it was built for."""

    num_features: int
    categorical: tuple[CategoricalColumn, ...]
    num_causes: int = 1


class NeuralSurvivalModel:
    """A backbone with one of the heads, trained by maximum likelihood on a time grid.

    Models that differ only in their seeds can be trained as one stack, by `fit_together`. Fitted to
    data of several competing causes, a model learns the distribution of the time and the cause
    together, where its objective has `for_causes`, and predicts cumulative incidences too.

    Parameters
    ----------
    head : str
        A key of `objectives`: the name of the head, and of the model in the registry.
    grid : TimeGrid
        The cuts that make the classes.
    parameters : mapping
        The network's and the training's parameters, named as the command's flags.
    seed : int
        Seed of initialisation, data order and dropout.
    device : str
        The torch device to train on, such as "cpu" or "cuda:1".
    validation_metrics : callable, optional
        Returns metrics of a prediction for the validation rows, beyond their loss; computed once
        per epoch.

    Attributes
    ----------
    objectives : mapping
        What a network learns, by its name.
    network : SurvivalNetwork
        The trained network.

    Raises
    ------
    InputError
        For an unknown device, or parameters that do not fit together.
    """

    objectives: ClassVar[Mapping[str, Objective]] = HEAD_OBJECTIVES

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
        self.objective = self.objectives[head]
        self.grid = grid
        of_network = (*INPUT_PARAMETERS, *BACKBONE_PARAMETERS, *self.objective.parameters)
        names = (*of_network, *OPTIMISATION_PARAMETERS)
        self.parameters = {name: parameters[name] for name in names}
        self.seed = seed
        self.device = check_device(device)
        if self.parameters["num_hidden_layers"]:  # else the data decide the width
            with torch.device("meta"):
                self.objective.build_head(parameters["hidden_dim"], grid.num_classes, parameters)
        self.validation_metrics = validation_metrics
        self.fit_summary = FitSummary()
        self._normal_scores: NormalScores | None = None

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Train until the validation metric stops improving; keep the best epoch's weights.

        Raises
        ------
        InputError
            For parameters that do not fit together, rows without the events that the loss needs,
            a loss that is not finite from the start, or several causes where the model knows one
            only.
        """
        (error,) = fit_together([self], train, validation, monitors=[monitor])
        if error is not None:
            raise error
        return self

    def _new_training(
        self, train: SurvivalData, validation: SurvivalData, monitor: FitMonitor | None
    ) -> Training:
        """Return a training of a new network, from random numbers that are the seed's alone."""
        self._inputs = _Inputs(train.features.shape[1], train.categorical, train.num_causes)
        if self.parameters["numeric_inputs"] == "normal_scores":
            self._normal_scores = NormalScores.fit(train.features, train.categorical)
        dropout = torch.Generator(self.device).manual_seed(self.seed)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            self.network = self._build()
            self._start_from_rows(train)
            if self.device.type == "cpu":  # not the numbers that the weights start from
                dropout.set_state(torch.get_rng_state())
        metrics = self.validation_metrics
        warn_of_lost_events(train, self.grid, monitor)

        def of_validation() -> Mapping[str, float] | None:
            if metrics is None:
                return {}
            try:
                self._learn_from_rows(train)
                return metrics(self.predict(validation.features))
            except NotFiniteError:
                return None

        return Training(
            self.network,
            order=torch.Generator().manual_seed(self.seed),
            dropout=dropout,
            validation_metrics=of_validation,
            monitor=monitor,
        )

    def _learn_for(self, num_causes: int) -> None:
        """Take the objective for this number of causes, if the network has one."""
        if num_causes == 1 and self.objective.for_causes is None:
            return
        if self.objective.for_causes is None:
            raise InputError(
                f"{self.head} knows one cause of the event only, and these data have "
                f"{num_causes}; --cause_of_interest fits one of them, with the others as censored"
            )
        self.objective = self.objective.for_causes(num_causes)

    def _start_from_rows(self, train: SurvivalData) -> None:
        """Let the head begin with the training rows' own curve, where that is asked for."""
        if self.parameters.get("initial_curve") == "kaplan_meier":
            event_class, event = class_labels(train, self.grid)
            sizes = (self.grid.num_classes, train.num_causes)
            classes = event_class.reshape(len(train), -1).astype(np.int64).T
            masses = class_masses(classes[0], event, *sizes, *classes[1:])
            start = as_tensor(masses.astype(np.float32)).to(self.device)
            cast(Any, self.network.head).start_at(start)

    def _learn_from_rows(self, train: SurvivalData) -> None:
        """Learn from the training rows what predictions need beside the weights: nothing here."""

    def _build(self) -> SurvivalNetwork:
        network = SurvivalNetwork(
            self.objective.build_head,
            num_features=self._inputs.num_features,
            categorical=self._inputs.categorical,
            num_classes=self.grid.num_classes,
            parameters=self.parameters,
        )
        return network.to(self.device)

    @property
    def num_causes(self) -> int:
        """Number of causes C that the fitted model knows."""
        return self._inputs.num_causes

    @property
    def knots(self) -> Knots:
        """The cuts of the grid."""
        return self.grid.knots

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict survival, cumulative incidences of several causes, and weights of experts.

        Parameters
        ----------
        features : array, shape (n, p), float32
            Encoded as the training features were.
        times : array, shape (t,), optional
            Increasing times up to the horizon; the m cuts of the grid where not given.

        Returns
        -------
        SurvivalPrediction
            survival (n, m) or (n, t); expert_weights (n, E) for a mixture; cumulative_incidence
            (n, C, m) or (n, C, t) of C >= 2 causes.

        Raises
        ------
        InputError
            For another number of columns, values that are not finite, unknown codes, or times
            that do not increase or lie beyond the horizon.
        """
        of_outputs = self.objective.survival
        assert of_outputs is not None  # else a subclass predicts
        chunks = zip(*map(of_outputs, self._outputs(features)), strict=True)
        survival, weights, incidence = (
            None if parts[0] is None else np.concatenate(parts) for parts in chunks
        )
        assert survival is not None
        at_cuts = SurvivalPrediction(
            self.grid.cuts, survival, weights, cumulative_incidence=incidence
        )
        return at_cuts.read(times)

    def _outputs(self, features: NDArray[np.float32]) -> Iterator[Any]:
        """Yield what the network makes of features, chunk by chunk."""
        for chunk in self._checked_chunks(features):
            with torch.no_grad():
                output = self.network(chunk)
            yield output

    def hidden_state(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the head sees of each subject, shape (n, width of the last hidden layer).

        Parameters and errors are those of `predict`.
        """
        with torch.no_grad():
            chunks = [self.network.backbone(chunk) for chunk in self._checked_chunks(features)]
        return torch.cat(chunks).cpu().numpy()

    def _checked_chunks(self, features: NDArray[np.float32]) -> Iterator[torch.Tensor]:
        """Yield features on the device, chunk by chunk, for a network that does not learn."""
        num_features, categorical, _ = self._inputs
        if features.ndim != 2 or features.shape[1] != num_features:
            raise InputError(f"features must have shape (n, {num_features}), not {features.shape}")
        check_features(features, categorical)
        self.network.eval()
        for start in range(0, len(features), EVALUATION_ROWS):
            chunk = self._as_read(features[start : start + EVALUATION_ROWS])
            yield as_tensor(chunk).to(self.device)

    def _as_read(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features (n, p) as the network reads them."""
        scores = self._normal_scores
        return features if scores is None else scores.transform(features)

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values."""
        num_features, categorical, num_causes = self._inputs
        return {
            "model": self.head,
            "cuts": self.grid.cuts,
            "floor": self.grid.floor,
            "parameters": self.parameters,
            "seed": self.seed,
            "num_features": num_features,
            "categorical": [list(column) for column in categorical],
            **({} if num_causes == 1 else {"num_causes": num_causes}),
            "fit_summary": list(self.fit_summary),
            "normal_scores": None if self._normal_scores is None else self._normal_scores.state(),
            "weights": {k: v.cpu().numpy() for k, v in self.network.state_dict().items()},
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model, on the CPU, from what `state` returned, in any version."""
        model = cls(
            state["model"] if "model" in state else state["head"],
            grid=TimeGrid(np.asarray(state["cuts"]), state["floor"]),
            parameters={**EARLIER, **state["parameters"]},
            seed=state["seed"],
        )
        columns = tuple(CategoricalColumn(*column) for column in state["categorical"])
        model._inputs = _Inputs(state["num_features"], columns, state.get("num_causes", 1))
        model._learn_for(model._inputs.num_causes)
        model.fit_summary = FitSummary(*state["fit_summary"])
        if state.get("normal_scores") is not None:
            model._normal_scores = NormalScores.from_state(state["normal_scores"])
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
    """Fit models that differ only in their seeds, as one stacked network.

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
        For parameters that do not fit together, rows without the events that the loss needs,
        splits whose causes differ, or several causes where the models know one only.
    """
    first = models[0]
    if train.cause_names != validation.cause_names:
        names = [", ".join(rows.cause_names) or "none" for rows in (train, validation)]
        raise InputError(
            f"the training rows have the causes {names[0]}, the validation rows {names[1]}; they "
            "must be the same"
        )
    for model in models:
        model._learn_for(train.num_causes)
        if not model.objective.takes_entry:
            train.check_observed_from_start()
    trainings = [
        model._new_training(train, validation, monitor)
        for model, monitor in zip(models, monitors, strict=True)
    ]
    batches = [
        Batch.on_device(
            first._as_read(data.features), first.objective.labels(data, first.grid), first.device
        )
        for data in (train, validation)
    ]
    summaries = train_networks(
        trainings, *batches, objective=first.objective, parameters=first.parameters
    )
    errors: list[InputError | None] = []
    for model, summary in zip(models, summaries, strict=True):
        model.fit_summary = summary
        failed = summary.best_epoch == 0
        errors.append(_never_finite(first.parameters["lr"]) if failed else None)
        if not failed:
            model._learn_from_rows(train)
    return errors


def _never_finite(lr: float) -> InputError:
    return InputError(
        f"the loss is not finite in the first epoch; a smaller --lr than {lr} may help"
    )

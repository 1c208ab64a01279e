"""The last explanations of an explainer, as arrays and as figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survkit.explain import plots
from survkit.explain.explanation import Explanation, MonteCarloExplanation
from survkit.explain.inputs import as_names
from survkit.types import Float64Array, InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class WeightPlots:
    """Keeps the last explanations of an explainer, and draws them."""

    explanation: Explanation | None
    montecarlo: MonteCarloExplanation | None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the coefficients, d of them."""
        raise NotImplementedError

    @property
    def computed_weights(self) -> Float64Array | None:
        """Coefficients (d,) of the last explanation, None before there is one."""
        return None if self.explanation is None else self.explanation.coefficients

    @property
    def montecarlo_weights(self) -> Float64Array | None:
        """Mean coefficients (h, d) of the last Monte-Carlo explanation, None before it."""
        return None if self.montecarlo is None else self.montecarlo.coefficients

    def plot_weights(
        self,
        figsize: tuple[float, float] | None = None,
        feature_names: Sequence[str] | None = None,
        scale_with_data_point: bool = False,
        figure_path: str | Path | None = None,
        with_colour: bool = True,
        absolute_vals: bool = False,
        *,
        axes: Axes | None = None,
    ) -> Axes:
        """Draw the last explanation as bars; see `survkit.explain.plots.bar_chart`.

        `scale_with_data_point` draws each coefficient times the subject's value.
        """
        if self.explanation is None:
            raise InputError("there is nothing to plot; call explain_instance first")
        return self._draw(
            plots.bar_chart,
            self.explanation.coefficients,
            self.explanation.values if scale_with_data_point else None,
            feature_names,
            figsize=figsize,
            figure_path=figure_path,
            with_colour=with_colour,
            absolute_vals=absolute_vals,
            axes=axes,
        )

    def plot_montecarlo_weights(
        self,
        figsize: tuple[float, float] | None = None,
        feature_names: Sequence[str] | None = None,
        scale_with_data_point: bool = False,
        figure_path: str | Path | None = None,
        with_colour: bool = True,
        absolute_vals: bool = False,
        *,
        axes: Axes | None = None,
    ) -> Axes:
        """Draw the last Monte-Carlo explanation as boxen plots; see `plots.boxen_plot`.

        The points are the subjects' mean coefficients, or the repetitions of a single subject.
        """
        if self.montecarlo is None:
            raise InputError("there is nothing to plot; call montecarlo_explanation first")
        return self._draw(
            plots.boxen_plot,
            self.montecarlo.samples,
            self.montecarlo.values if scale_with_data_point else None,
            feature_names,
            figsize=figsize,
            figure_path=figure_path,
            with_colour=with_colour,
            absolute_vals=absolute_vals,
            axes=axes,
        )

    def _draw(
        self,
        plot: Callable[..., Axes],
        coefficients: Float64Array,
        values: Float64Array | None,
        names: Sequence[str] | None,
        **style: Any,
    ) -> Axes:
        """Draw coefficients, times the values where they are given."""
        if names is not None:
            names = as_names(None, names, len(self.feature_names))
        return plot(
            coefficients if values is None else coefficients * values,
            names or self.feature_names,
            label=plots.LABEL if values is None else plots.SCALED_LABEL,
            **style,
        )

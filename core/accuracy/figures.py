"""Pictures of scores and of the course of a training, as PNG; made by matplotlib without a screen."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.languages import spoken, tr
from ..parameters.kinds import parameter_name
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from .quantitynames import VALIDATION, readable
from .reliability import BINS, Reliability
from .scores import ClassScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

_MOST_COUNTS = 20
"""Classes up to which each cell of the matrix shows its count; beyond, the numbers would be unreadable."""

_MOST_POINTS = 2000
"""Points up to which a scatter plot shows each; beyond, how many lie where."""

_OWN, _VALIDATED = "#30648f", "#d9822b"


def confusion_figure(scores: ClassScores) -> bytes:
    """Return the confusion matrix as a picture: counts, coloured by their share of the class's reference."""
    count = len(scores.labels)
    side = min(max(3.2, 1.2 + 0.55 * count), 12.0)
    figure = _figure(side + 1.2, side)
    axes = figure.add_subplot()
    totals = scores.matrix.sum(axis=1, keepdims=True)
    shares = np.divide(scores.matrix, totals, out=np.zeros(scores.matrix.shape), where=totals > 0)
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = [_shortened(name) for name in scores.names]
    upright = all(len(tick) <= 4 for tick in ticks)
    axes.set_xticks(range(count), ticks, rotation=0 if upright else 45, ha="center" if upright else "right")
    axes.set_yticks(range(count), ticks)
    axes.set_xlabel(tr("found"))
    axes.set_ylabel(tr("reference"))
    if count <= _MOST_COUNTS:
        for (row, column), number in np.ndenumerate(scores.matrix):
            color = "white" if shares[row, column] > 0.55 else "black"
            axes.text(column, row, _count(int(number)), ha="center", va="center", color=color, fontsize=8)
    figure.colorbar(picture, ax=axes, shrink=0.8, label=tr("share of the reference"))
    return _png(figure)


def curves_figure(history: Mapping[str, Sequence[float]], title: str) -> bytes:
    """Return the curves of a training, one panel for each quantity.

    Args:
        history: as Keras gives it: values per epoch by name; `val_loss` is drawn beside `loss`.
            Values that came every n-th epoch stand at these epochs; NaN stands for an epoch without one.
        title: of the picture.
    """
    own = [key for key in history if not _is_validation(key, history)]
    columns = 1 if len(own) < 2 else 2
    rows = max(1, -(-len(own) // columns))
    figure = _figure(4.2 * columns, 0.4 + 2.7 * rows)
    figure.suptitle(_literal(title))
    for number, key in enumerate(own, 1):
        _curves(figure.add_subplot(rows, columns, number), key, history)
    return _png(figure)


def _is_validation(key: str, history: Mapping[str, Sequence[float]]) -> bool:
    return key.startswith(VALIDATION) and key[len(VALIDATION) :] in history


def _curves(axes: Axes, key: str, history: Mapping[str, Sequence[float]]) -> None:
    epochs = max(len(values) for values in history.values())
    drawn = [(key, SampleRole.TRAINING, _OWN)]
    if VALIDATION + key in history:
        drawn.append((VALIDATION + key, SampleRole.VALIDATION, _VALIDATED))
    for name, role, color in drawn:
        values = np.asarray(history[name], np.float64)
        every = max(1, epochs // max(1, len(values)))
        known = np.isfinite(values)
        marker = "o" if known.sum() <= 25 else ""
        at = every * np.arange(1, len(values) + 1)
        axes.plot(at[known], values[known], label=tr(str(role)), color=color, marker=marker, markersize=3)
    axes.set_title(_literal(tr(readable(key)).replace("_", " ")), fontsize=10)
    axes.set_xlabel(tr("epoch"))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(color="#dddddd", linewidth=0.5)
    if len(drawn) > 1:
        axes.legend(fontsize=8)


def rates_figure(
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float] | np.ndarray,
    suggested: float | None,
    steepest: float | None,
) -> bytes:
    """Return the losses of batches over their learning rates, with the rates that follow from them.

    Args:
        rates, losses, smoothed: of the batches.
        suggested, steepest: rates to mark; None for none.
    """
    figure = _figure(6.0, 4.0)
    axes = figure.add_subplot()
    axes.plot(rates, losses, color=_OWN, linewidth=0.8, alpha=0.4, label=tr("loss"))
    axes.plot(rates, smoothed, color=_OWN, label=tr("smoothed loss"))
    if steepest is not None:
        words = tr(Phrase("steepest descent: {rate:.2g}", rate=steepest))
        axes.axvline(steepest, color="#777777", linestyle=":", label=words)
    if suggested is not None:
        axes.axvline(
            suggested, color=_VALIDATED, linestyle="--", label=tr(Phrase("suggested: {rate:.2g}", rate=suggested))
        )
    low, high = float(np.min(smoothed)), float(np.max(smoothed[: int(np.argmin(smoothed)) + 1]))
    room = 0.3 * (high - low) or 1.0  # where the loss diverges, it would hide all before
    axes.set(xscale="log", xlabel=tr("learning rate"), ylabel=tr("loss"), ylim=(low - room, high + room))
    axes.grid(color="#dddddd", linewidth=0.5)
    axes.legend(fontsize=8)
    return _png(figure)


def trials_figure(
    settings: Mapping[str, Sequence[Any]], scores: Sequence[float], epochs: Sequence[int], score: str
) -> bytes:
    """Return the scores of trials over their settings, a panel for each setting.

    Args:
        settings: values of each setting by its key, of the trials; fractions have a logarithmic scale.
        scores: of the trials, the best one first, which is marked.
        epochs: of the trials; those that ended early are paler.
        score: name of the score.
    """
    count = len(settings)
    columns = min(count, 3)
    rows = -(-count // columns)
    figure = _figure(3.4 * columns, 3.0 * rows)
    shares = [0.25 + 0.75 * each / max(epochs) for each in epochs]
    for number, (name, values) in enumerate(settings.items(), 1):
        axes = figure.add_subplot(rows, columns, number)
        numeric = all(isinstance(value, (int, float)) for value in values)
        at = list(values) if numeric else [_literal(str(value)) for value in values]
        axes.scatter(at[1:], scores[1:], color=_OWN, alpha=shares[1:], s=22)
        axes.scatter(at[:1], scores[:1], color=_VALIDATED, s=45, label=tr("best trial"))
        if all(isinstance(value, float) for value in values):
            axes.set_xscale("log")
        axes.set_xlabel(parameter_name(name))
        axes.set_ylabel(tr(readable(score)))
        axes.grid(color="#dddddd", linewidth=0.5)
        axes.legend(fontsize=8)
    return _png(figure)


def scatter_figure(reference: np.ndarray, predicted: np.ndarray) -> bytes:
    """Return predicted values over those of the reference, with the line on which they are equal.

    Args:
        reference: values, shape (n,), finite.
        predicted: as many.
    """
    figure = _figure(4.6, 4.4)
    axes = figure.add_subplot()
    low, high = _limits(np.concatenate([reference, predicted]))
    if len(reference) > _MOST_POINTS:
        cells = axes.hexbin(
            reference, predicted, gridsize=60, bins="log", cmap="viridis", extent=(low, high, low, high)
        )
        figure.colorbar(cells, ax=axes, shrink=0.8, label=tr("samples"))
    else:
        axes.plot(reference, predicted, ".", color=_OWN, markersize=4, alpha=0.6)
    axes.plot([low, high], [low, high], color=_VALIDATED, linewidth=1, label="1:1")
    axes.set(xlim=(low, high), ylim=(low, high), xlabel=tr("reference"), ylabel=tr("predicted"), aspect="equal")
    axes.legend(fontsize=8)
    return _png(figure)


def reliability_figure(before: Reliability, after: Reliability) -> bytes:
    """Return two reliability diagrams: without and with calibrated probabilities.

    A bar is the share of right classes in a bin; the line is where it equals the mean probability. Below is the share of the
    samples in each bin.
    """
    figure = _figure(8.4, 5.0)
    panels = figure.subplots(2, 2, sharex=True, sharey="row", gridspec_kw={"height_ratios": (3, 1)})
    titles = (
        Phrase("before: expected calibration error {error:.3f}", error=before.error),
        Phrase("after: expected calibration error {error:.3f}", error=after.error),
    )
    for column, (found, title) in enumerate(zip((before, after), titles)):
        upper, lower = panels[:, column]
        width = 1 / BINS
        middles = (np.arange(BINS) + 0.5) * width
        filled = found.counts > 0
        upper.bar(
            middles[filled], found.accuracy[filled], width, color=_OWN, edgecolor="white", label=tr("right classes")
        )
        upper.plot(found.confidence[filled], found.accuracy[filled], "o", color="black", markersize=3)
        upper.plot([0, 1], [0, 1], color=_VALIDATED, linewidth=1, label=tr("probability = share of right classes"))
        upper.set(xlim=(0, 1), ylim=(0, 1), title=tr(title))
        lower.bar(middles, found.counts / max(1, found.samples), width, color="#999999", edgecolor="white")
        lower.set(xlabel=tr("probability of the most probable class"))
        for axes in (upper, lower):
            axes.grid(color="#dddddd", linewidth=0.5)
            axes.set_axisbelow(True)
    panels[0, 0].set_ylabel(tr("share of right classes"))
    panels[1, 0].set_ylabel(tr("share of labels"))
    panels[0, 0].legend(fontsize=8, loc="upper left")
    return _png(figure)


def residuals_figure(x: np.ndarray, y: np.ndarray, residuals: np.ndarray) -> bytes:
    """Return where predictions are too high (red) or too low (blue).

    Args:
        x, y: coordinates, shape (n,).
        residuals: predicted minus reference, shape (n,), finite.
    """
    figure = _figure(5.4, 4.4)
    axes = figure.add_subplot()
    most = float(np.percentile(np.abs(residuals), 98)) or 1.0  # single outliers would hide all others
    drawn = axes.scatter(x, y, c=residuals, s=8, cmap="RdBu_r", vmin=-most, vmax=most)
    axes.set(aspect="equal", xlabel="x", ylabel="y")
    axes.ticklabel_format(useOffset=False, style="plain")
    axes.tick_params(axis="x", labelrotation=45)
    figure.colorbar(drawn, ax=axes, shrink=0.8, label=tr("predicted minus reference"), extend="both")
    return _png(figure)


def precision_figure(curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> bytes:
    """Return the precision over the recall.

    Args:
        curves: by class recall and precision, shape (n,) each.
    """
    figure = _figure(5.4, 4.4)
    axes = figure.add_subplot()
    for name, (recall, precision) in curves.items():
        axes.plot(recall, precision, label=_shortened(name), linewidth=1.2)
    axes.set(xlabel=tr(Phrase("recall")), ylabel=tr(Phrase("precision")), xlim=(0, 1.02), ylim=(0, 1.02))
    axes.grid(color="#dddddd", linewidth=0.5)
    if any(curves) and len(curves) > 1:
        axes.legend(fontsize=8)
    return _png(figure)


def histogram_figure(values: np.ndarray, edges: np.ndarray, label: str, counted: str) -> bytes:
    """Return how many values lie in each interval.

    Args:
        values: shape (n,), finite.
        edges: of the intervals, rising, shape (intervals + 1,).
        label: what the values are, a phrase.
        counted: what has them, a phrase.
    """
    figure = _figure(5.4, 3.4)
    axes = figure.add_subplot()
    axes.hist(values, bins=edges.tolist(), color=_OWN, edgecolor="white", linewidth=0.5)
    axes.set(xlabel=tr(label), ylabel=tr(counted))
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", color="#dddddd", linewidth=0.5)
    return _png(figure)


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.03 * (high - low) or 1.0
    return low - room, high + room


def _shortened(name: str) -> str:
    return _literal(name if len(name) <= 18 else name[:17] + "…")


def _literal(text: str) -> str:
    """Return a text in which matplotlib sees no formula."""
    return text.replace("$", r"\$")


def _count(number: int) -> str:
    """Return a count in at most five characters, for a cell."""
    if number < 100_000:
        return str(number)
    return f"{number / 1e3:.0f}k" if number < 10_000_000 else f"{number / 1e6:.0f}M"


def _figure(width: float, height: float) -> Figure:
    """Return an empty figure; no pyplot, which keeps figures alive and asks for a screen."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def _write_in_language(axis: Axis) -> None:
    """Write the numbers along an axis as the language of this process writes numbers; classes keep their names."""
    from matplotlib.ticker import ScalarFormatter

    formatter = axis.get_major_formatter()
    if isinstance(formatter, ScalarFormatter):
        # The one that is there knows what has been set; matplotlib's own way follows the locale of the C library.
        as_english = formatter.format_ticks
        vars(formatter)["format_ticks"] = lambda values: [spoken().written(text) for text in as_english(values)]


def _png(figure: Figure) -> bytes:
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            _write_in_language(axis)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()

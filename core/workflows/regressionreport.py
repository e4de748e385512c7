"""How good a map of a quantity is: its pixels against known values, and a random forest beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..accuracy.figures import residuals_figure, scatter_figure
from ..accuracy.report import Report
from ..accuracy.scores import numbers, regression_scores
from ..base.progress import Progress
from ..geometry.grid import Box
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from ..rasters.rasterstack import Stack
from .baselines import Files, Fill, predicted_values
from .regressionvalues import KnownValues
from .scenereport import tell_scenes
from .scenes import Scene, holds_back

_ROWS = 256  # of the map, read at a time
_NAMES = {"rmse": "RMSE", "mae": "MAE", "bias": Phrase("bias"), "r2": "R2"}

Scores = Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """Predicted values beside known ones; those that the map has no value for are left out.

    Attributes:
        known: where and what.
        predicted: float64, shape (n,).
    """

    known: KnownValues
    predicted: np.ndarray

    @property
    def residuals(self) -> np.ndarray:
        """Predicted minus known, float64, shape (n,)."""
        found: np.ndarray = self.predicted - self.known.values
        return found

    @property
    def numbers(self) -> dict[str, float]:
        """`rmse`, `mae`, `bias` and `r2`; what is not defined is left out."""
        return _errors(self.known.values, self.predicted)


Comparisons = Mapping[SampleRole, Comparison]
"""By role, the map of a scene against its known values."""


def joined(scenes: Sequence[Comparisons]) -> dict[SampleRole, Comparison]:
    """Return the comparisons of all scenes as one for each role; their coordinates are those of each scene."""
    found = {}
    for role in SampleRole:
        if own := [comparisons[role] for comparisons in scenes if role in comparisons]:
            x, y, values = (np.concatenate([getattr(one.known, name) for one in own]) for name in ("x", "y", "values"))
            found[role] = Comparison(KnownValues(x, y, values), np.concatenate([one.predicted for one in own]))
    return found


def _errors(known: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    found = numbers(regression_scores(known, predicted))
    if len(known):
        found["bias"] = float(np.mean(predicted - known))
    return {name: found[name] for name in ("rmse", "mae", "bias", "r2") if name in found}


def compare(path: str, known: KnownValues, nodata: float, progress: Progress) -> Comparison:
    """Look a map up where values are known.

    Args:
        path: of the map.
        known: values on it.
        nodata: of the map.
        progress: may cancel.

    Raises:
        RasterError: it cannot be read.
        Cancelled: `progress` asked to stop.
    """
    image = Stack([path], placed=False)
    column, row = known.places(image.grid).T
    predicted = np.full(len(known), np.nan)
    for start in range(0, image.grid.height, _ROWS):
        progress.check()
        height = min(_ROWS, image.grid.height - start)
        here = np.flatnonzero((row >= start) & (row < start + height))
        if len(here):
            pixels = image.read(Box(0, start, image.grid.width, height))[..., 0]
            predicted[here] = pixels[row[here] - start, column[here]]
    there = np.isfinite(predicted) & (predicted != np.float32(nodata))
    return Comparison(known.of(there), predicted[there])


def forest_scores(files: Files, fill: Fill, seed: int, progress: Progress) -> dict[SampleRole, dict[str, float]]:
    """Return the errors, by role, of a random forest that learns from the same pixels.

    Args:
        files: by role, patches images (1 x 1) and values images.
        fill: fills missing values.
        seed: random seed.
        progress: may cancel.

    Raises:
        Cancelled: `progress` asked to stop.
    """
    predicted = predicted_values(files, fill, seed, progress)
    return {role: _errors(known, values) for role, (known, values) in predicted.items()}


def shown(scores: Scores) -> str:
    """Return scores as words for the log."""
    return Phrase(", ").join(Phrase("{name} {value:.4g}", name=_NAMES[key], value=scores[key]) for key in scores)


def report_of(
    parameters: Any,
    scenes: Sequence[Scene[Any]],
    counts: Mapping[SampleRole, Mapping[str, int]],
    by_scene: Sequence[Comparisons],
    forest: Mapping[SampleRole, Scores],
) -> str:
    """Return the report, as HTML.

    Args:
        parameters: of the operation.
        scenes: the scenes.
        counts: number of pixels by role and scene.
        by_scene: the maps against the known values.
        forest: errors of the random forest, by role; empty where there is none.
    """
    report, comparisons = Report(Phrase("Map of a quantity")), joined(by_scene)
    sums = [(role, sum(own.values())) for role, own in counts.items()]
    report.table("", (), [(Phrase("Pixels for {role}", role=role), count) for role, count in sums])
    header = (Phrase("Model"), Phrase("Data"), "RMSE", "MAE", Phrase("Bias"), "R2")
    rows = []
    for role in (SampleRole.VALIDATION, SampleRole.TRAINING):
        if role in comparisons:
            rows.append((Phrase("Network"), str(role), *_cells(comparisons[role].numbers)))
        if role in forest:
            rows.append((Phrase("Random forest"), str(role), *_cells(forest[role])))
    report.table(Phrase("Errors"), header, rows)
    report.text(Phrase("RMSE, MAE and bias (predicted minus known) are in the unit of the values."))
    if not holds_back(scenes):
        report.text(
            Phrase(
                "Validation is on other blocks of the image than training; high scores with small blocks, or with single pixels, "
                "mostly show that neighbours are alike."
            )
        )
    decides = SampleRole.VALIDATION if SampleRole.VALIDATION in comparisons else SampleRole.TRAINING
    if len(scenes) > 1:
        tell_scenes(report, scenes, counts)
        rows_of = [(scene.name, own[decides]) for scene, own in zip(scenes, by_scene) if decides in own]
        columns = (Phrase("Scene"), "RMSE", "MAE", Phrase("Bias"), "R2")
        heading = Phrase("Errors by scene ({decides})", decides=decides)
        report.table(heading, columns, [(name, *_cells(own.numbers)) for name, own in rows_of])
    deciding = comparisons[decides]
    if len(deciding.known):
        alt = Phrase(
            "Predicted values over known ones, {known_count} {known_count:pixel|pixels} for {decides}",
            known_count=len(deciding.known),
            decides=decides,
        )
        report.figure(
            Phrase("Predicted and known values ({decides})", decides=decides),
            scatter_figure(deciding.known.values, deciding.predicted),
            alt,
        )
    for scene, own in zip(scenes, by_scene):
        if decides in own and len(own[decides].known):
            _over_space(report, scene.name, own[decides], decides)
    report.parameters(parameters)
    return report.html()


def _cells(scores: Scores) -> list[float]:
    return [scores.get(name, float("nan")) for name in ("rmse", "mae", "bias", "r2")]


def _over_space(report: Report, scene: str, compared: Comparison, decides: SampleRole) -> None:
    """Add where the map of a scene is too high or too low; `scene` is empty for the only one."""
    alt = Phrase("Differences between predicted and known values, at their coordinates")
    what = Phrase("{scene}, {decides}", scene=scene, decides=decides) if scene else decides
    figure = residuals_figure(compared.known.x, compared.known.y, compared.residuals)
    report.figure(Phrase("Errors over space ({decides})", decides=what), figure, alt)

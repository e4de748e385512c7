"""The points at which patches are cut: their positions in each source, and the reasons for leaving some out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.progress import Progress
from ..classes.classfield import holds_names, numbers_of
from ..errors import ParameterError, field
from ..geometry.grid import TOLERANCE, Axis
from ..parameters.nodatarules import NodataRule
from ..phrases import Phrase
from ..rasters.missingpixels import Missing
from ..rasters.rasterstack import Stack
from ..vectors.transformation import Transformation
from ..vectors.vectorlayer import TEXT, Field, Points, VectorLayer


@dataclass(frozen=True)
class PatchSource:
    """One source, open: its images, the size of its patches and the rule that rejects a patch.

    Attributes:
        number: 1 for the first source.
        stack: the images.
        width, height: size of a patch in pixels of this source.
        missing: says which pixels are no-data.
        rule: says how many of them a patch may have.
    """

    number: int
    stack: Stack
    width: int
    height: int
    missing: Missing
    rule: NodataRule

    @property
    def patch_bytes(self) -> int:
        """Memory that a patch takes."""
        return self.width * self.height * self.stack.bands * self.stack.dtype.itemsize

    def check(self) -> None:
        """Raise ParameterError where a patch is larger than the image."""
        grid = self.stack.grid
        for axis, size, most in (("x", self.width, grid.width), ("y", self.height, grid.height)):
            if size > most:
                raise ParameterError(
                    "{axis} is {size}, but {name} has only {width} x {height} pixels: choose a smaller patch.",
                    axis=field(f"patchsize{axis}", of="sources", number=self.number),
                    size=size,
                    name=self.stack.names[0],
                    width=grid.width,
                    height=grid.height,
                )
        if self._has_gaps and self.gap is None:
            raise ParameterError(
                "The bands of {value} have no common no-data value, which marks missing values in patches: give one in "
                "{nodata} that no pixel with data has, or set {nodata_rule} to any and {nodata_pixels} to 0.",
                value=self.stack.names[0],
                nodata=field("nodata", of="sources", number=self.number),
                nodata_rule=field("nodata_rule"),
                nodata_pixels=field("nodata_pixels"),
            )

    @property
    def gap(self) -> float | None:
        """What stands for missing values in the patches; None where they have none."""
        return self.missing.gap_value if self._has_gaps else None

    @property
    def _has_gaps(self) -> bool:
        some_bands = self.missing.apart and self.rule.bands_allowed(self.stack.bands) > 0
        return some_bands or (self.missing.partly and self.rule.pixels_allowed(self.width * self.height) > 0)

    def starts(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the first column and row of each point's patch, int32, and whether the patch lies in the image.

        Args:
            x: coordinates in the images' coordinate system, shape (n,).
            y: the same to the north.
        """
        grid = self.stack.grid
        columns, fits_x = _starts(x, grid.x, self.width)
        rows, fits_y = _starts(-y, grid.y, self.height)
        return columns, rows, fits_x & fits_y


def _starts(coordinates: np.ndarray, axis: Axis, size: int) -> tuple[np.ndarray, np.ndarray]:
    index = np.floor((coordinates - axis.origin) / axis.spacing + TOLERANCE) - size // 2
    fits = (index >= 0) & (index + size <= axis.size)  # False for infinite coordinates
    return np.where(fits, index, 0).astype("int32"), fits


@dataclass(frozen=True)
class PatchPoints:
    """The points that have a patch in every source, in the order of their features.

    Attributes:
        columns, rows: per source the patches' first columns and rows, int32, shape (n,).
        labels: values of the field, int64 or float64, shape (n,); for a text field the numbers of the classes.
        texts: the classes of a text field with their numbers; None for a field of numbers.
        named: whether these are names.
        rejected: reason to number of features left out.
    """

    columns: tuple[np.ndarray, ...]
    rows: tuple[np.ndarray, ...]
    labels: np.ndarray
    texts: Mapping[str, int] | None
    named: bool
    rejected: Counter[str]

    def __len__(self) -> int:
        return len(self.labels)


def locate(layer: VectorLayer, field: Field, sources: Sequence[PatchSource], progress: Progress) -> PatchPoints:
    """Read the points of `layer` and find their patches.

    Raises:
        ParameterError: no point has its patch inside every source.
        VectorError: the layer holds no points, or cannot be read.
    """
    layer.check_class_field(field, progress)
    ways = [Transformation(layer.reference, source.stack.reference) for source in sources]
    for source in sources:
        if bool(layer.reference.wkt) != bool(source.stack.reference.wkt):
            progress.warning(
                Phrase(
                    "{layer} is in the coordinate system {reference}, source {number} in {reference2}: the points "
                    "are assumed to be in the images' own coordinates.",
                    layer=layer.path,
                    reference=layer.reference.describe(),
                    number=source.number,
                    reference2=source.stack.reference.describe(),
                )
            )
    rejected: Counter[str] = Counter()
    columns: list[list[np.ndarray]] = [[] for _ in sources]
    rows: list[list[np.ndarray]] = [[] for _ in sources]
    labels: list[np.ndarray] = []
    codes: dict[str, int] = {}
    read = 0
    for points in layer.read_points([field], progress):
        read += len(points) + points.without
        rejected[Phrase("without geometry")] += points.without
        keep = _with_attribute(points)
        rejected[Phrase("without a value of {field}", field=field.name)] += int(len(keep) - keep.sum())
        placed = []
        for source, way in zip(sources, ways):
            column, row, fits = source.starts(*way.points(points.x, points.y))
            rejected[Phrase("outside source {number} or too near its border", number=source.number)] += int(
                (keep & ~fits).sum()
            )
            keep &= fits
            placed.append((column, row))
        for kept_columns, kept_rows, (column, row) in zip(columns, rows, placed):
            kept_columns.append(column[keep])
            kept_rows.append(row[keep])
        values = points.columns[0].data[keep]
        if field.kind == TEXT:
            values = np.array([codes.setdefault(text, len(codes)) for text in values.tolist()], "int64")
        labels.append(values)
        progress.fraction(0.1 * min(1.0, read / max(1, layer.count)))
    rejected = +rejected
    if not sum(map(len, labels)):
        raise _nothing_left(layer, sources, rejected)
    values = np.concatenate(labels)
    texts = None
    named = field.kind == TEXT and holds_names([(layer, field)], progress)
    if field.kind == TEXT:
        texts = numbers_of(codes, named)
        values = np.array([texts[text] for text in codes], "int64")[values]
    return PatchPoints(
        tuple(np.concatenate(parts) for parts in columns),
        tuple(np.concatenate(parts) for parts in rows),
        values,
        texts,
        named,
        rejected,
    )


def _with_attribute(points: Points) -> np.ndarray:
    values = points.columns[0]
    keep = ~np.ma.getmaskarray(values)
    if values.dtype.kind == "f":
        keep &= np.isfinite(values.data)
    elif values.dtype.kind == "O":  # an empty text is no class
        keep &= np.array([bool(text) for text in values.data], bool)
    return keep


def _nothing_left(layer: VectorLayer, sources: Sequence[PatchSource], rejected: Counter[str]) -> ParameterError:
    why = _numbers_of(rejected) or Phrase("it has no features")
    places = Phrase("; ").join(
        Phrase(
            "source {number}: {grid} (coordinate system: {reference}), patches of {width} x {height}",
            number=source.number,
            grid=source.stack.grid.describe(),
            reference=source.stack.reference.describe(),
            width=source.width,
            height=source.height,
        )
        for source in sources
    )
    return ParameterError(
        "No point of {layer} has its complete patch inside every source ({why}). The layer: {layer2}. {places}. "
        "Choose another layer, or correct its coordinate system.",
        layer=layer.path,
        why=why,
        layer2=layer.describe(),
        places=places,
    )


def describe_rejected(rejected: Counter[Any]) -> str:
    """Return the numbers of features left out as a sentence."""
    return Phrase("Left out: {reasons}.", reasons=_numbers_of(rejected))


def _numbers_of(rejected: Counter[Any]) -> Phrase:
    parts = (Phrase("{number} {reason}", number=number, reason=reason) for reason, number in rejected.items())
    return Phrase("; ").join(parts)

"""The patches image of detection targets, beside those of the sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..files.staging import Staging
from ..parameters.detectionmaps import CONTENT
from ..phrases import Phrase
from ..rasters.outputtrial import content_of
from .detectiontarget import TargetMaps, TargetObjects, band_names
from .patchesimage import PatchesImage, described_patches, try_patches, write_description
from .patchpoints import PatchPoints, PatchSource
from .targetobjects import read_target_objects

if TYPE_CHECKING:
    from ..operations.patchesextraction import PatchesExtraction

_TYPE = np.dtype("float32")


class TargetPatches:
    """The detection maps of the patches of source 1."""

    def __init__(self, parameters: PatchesExtraction, source: PatchSource, progress: Progress) -> None:
        """Read the objects.

        Raises:
            VectorError: see `read_target_objects`.
            Cancelled: `progress` asked to stop.
        """
        objects, self._classes = read_target_objects(parameters, source.stack, progress)
        _warn_of_sizes(objects, source, progress)
        self._maps = TargetMaps(objects, len(self._classes), parameters.objects_stride)
        self._parameters, self._source = parameters, source
        self._image: PatchesImage | None = None
        self._places: list[tuple[int, int]] = []

    @property
    def _shape(self) -> tuple[int, int, int]:
        stride = self._parameters.objects_stride
        return self._source.height // stride, self._source.width // stride, self._maps.bands

    def try_format(self, staging: Staging, count: int) -> None:
        """Raise RasterError where the output's format cannot hold the maps."""
        try_patches(staging, count, self._shape, _TYPE, content_of(self._maps.bands, _TYPE))

    def thin_out(self, points: PatchPoints, valid: np.ndarray) -> None:
        """Leave out patches without objects, but for the share that is wanted.

        Args:
            points: whose patches these are; told of those left out.
            valid: which patches there are; changed.

        Raises:
            ParameterError: no patch with an object is left.
        """
        source, objects = self._source, self._maps.objects
        places = np.flatnonzero(valid)
        empty = np.array([not len(objects.near(*at, source.height, source.width)) for at in self._at(points, places)])
        if empty.all():
            raise ParameterError(
                "No patch has the centre of one of the {count} {count:object|objects} of {path} ({objects}) in it: cut patches "
                "where there are objects, or larger ones ({patchsizex}).",
                count=len(objects),
                path=str(self._parameters.objects),
                objects=field("objects"),
                patchsizex=field("patchsizex", of="sources", number=1),
            )
        numbers, share = np.cumsum(empty), self._parameters.objects_empty
        dropped = empty & (np.floor(numbers * share) == np.floor((numbers - 1) * share))
        valid[places[dropped]] = False
        if dropped.any():
            points.rejected[Phrase("without an object")] += int(dropped.sum())

    def open(self, staging: Staging, points: PatchPoints, valid: np.ndarray) -> None:
        """Create the output for the patches that are left."""
        self._places = self._at(points, np.flatnonzero(valid))
        self._image = PatchesImage(staging, len(self._places), self._shape, _TYPE, content_of(self._maps.bands, _TYPE))

    def _at(self, points: PatchPoints, places: np.ndarray) -> list[tuple[int, int]]:
        """Return row and column of patches."""
        return list(zip(points.rows[0][places].tolist(), points.columns[0][places].tolist()))

    def write(self, count: int) -> None:
        """Write the maps of the next patches."""
        assert self._image is not None  # nosec B101 (tells mypy; it is opened first)
        if not count:
            return
        now, self._places = self._places[:count], self._places[count:]
        size = self._source.height, self._source.width
        self._image.write(np.stack([self._maps.draw(*at, *size) for at in now]))

    def close(self, groups: str, progress: Progress) -> None:
        """Close the output and write its description.

        Args:
            groups: of the patches, as the description of source 1 has them.
            progress: told of objects that share a cell.
        """
        assert self._image is not None  # nosec B101 (tells mypy; it is opened first)
        self._image.close(progress)
        stack, parameters = self._source.stack, self._parameters
        names = [row.get("name") or str(row["value"]) for row in self._classes]
        samples: dict[str, Any] = {
            "objects": str(parameters.objects),
            "stride": parameters.objects_stride,
            "classes": self._classes,
            "band_names": band_names(names),
            "groups": groups,
        }
        count = len(groups.split())
        told = described_patches(self._shape, count, _TYPE, list(stack.names), self._image.statistics, samples)
        write_description(self._image.staging, {**told, "content": CONTENT})
        if self._maps.hidden:
            progress.warning(
                Phrase(
                    "{hidden} times, two objects have their centres in one cell of {stride} x {stride} pixels, and the larger "
                    "one is not learned: lower {objects_stride}.",
                    hidden=self._maps.hidden,
                    stride=parameters.objects_stride,
                    objects_stride=field("objects_stride"),
                )
            )


def _warn_of_sizes(objects: TargetObjects, source: PatchSource, progress: Progress) -> None:
    """Warn of objects that no patch can show, as those whose size is in another unit."""
    large = (objects.heights > source.height) | (objects.widths > source.width)
    small = (objects.heights < 1) | (objects.widths < 1)
    count = int((large | small).sum())
    if count:
        progress.warning(
            Phrase(
                "{count} of {every} {every:object|objects} ({objects}) {count:is|are} larger than a patch of {width} x "
                "{height} pixels, or smaller than a pixel. Sizes of points ({size}, {sizefield}) are in the units of the image's "
                "coordinate system. For large objects, cut larger patches ({patchsizex}).",
                count=count,
                every=len(objects),
                objects=field("objects"),
                width=source.width,
                height=source.height,
                size=field("objects_size"),
                sizefield=field("objects_sizefield"),
                patchsizex=field("patchsizex", of="sources", number=1),
            )
        )

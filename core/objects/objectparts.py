"""A layer of objects that is made of parts: each computes the boxes of some tiles, and the suppression is one for all."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ..base.jsonvalues import Json
from ..base.progress import Part, Progress
from ..errors import VectorError, field
from ..files.staging import Staging
from ..geometry.grid import Box
from ..operations.detectobjects import DetectObjects
from ..parts.partedoutput import Whole
from ..parts.partedwork import MadePart
from ..parts.partidentity import images_identity, parameters_identity
from ..parts.partnotes import PartNote
from ..parts.partplan import PartPlan
from ..parts.partsfolder import PartsFolder
from ..parts.partsizes import PartSides, part_size
from ..phrases import Phrase
from ..serving.memorybudget import MemoryBudget
from ..serving.modelidentity import OF_THE_MASK, check_shared_images, mask_identity, models_identity
from .boxes import BOX, NO_MASK, joined
from .imagedetection import FoundBoxes, ImageDetection
from .maskfiles import starts_of
from .objectlayer import COMPUTING, ObjectLayer, check_outputs
from .overlappingtiles import TileLattice
from .trialdetection import overlap_of

_BOXES = "boxes.npz"
"""End of the name of a file of each part: an archive of NumPy with the boxes, and their numbers by tile."""

_MASKS = "masks.bin"
"""End of the name of the other one, where masks are wanted; see `maskfiles`."""


class ObjectParts:
    """An image and a detector, open to be computed in parts; see `core.parts.partedwork.PartedWork`."""

    def __init__(self, parameters: DetectObjects, progress: Progress) -> None:
        """Open them.

        Raises:
            ParameterError, RasterError, ModelError: bad input.
        """
        self._parameters = parameters
        self.opened = ImageDetection(parameters, progress)

    @property
    def memory(self) -> tuple[int, int]:
        """The memory that a run takes, and GDAL's share of it, in bytes."""
        return self.opened.budget.memory, self.opened.budget.cache

    def identity(self, parts_are_kept: bool) -> dict[str, str]:
        """Return what must be the same for all runs."""
        given, detector = self._parameters, self.opened.detector
        check_shared_images(given.images_pixelsize)
        found = models_identity(given.model_dir)
        if detector.legend:  # which a sidecar may tell, and CLASSES name
            named = [f"{value} {entry.name}" for value, entry in sorted(detector.legend.items())]
            found["the names of the model's classes"] = ", ".join(named)
        found.update(parameters_identity(given, ("il", "model_dir", "out_report", *OF_THE_MASK), parts_are_kept))
        found.update(mask_identity(given, detector.mask))
        found["il"] = images_identity(detector.source.stack, given.il, field("il"))
        return found


class ObjectOutput:
    """The layer that a run is asked for; see `core.parts.partedoutput.PartedOutput`.

    The box of its plan are the columns and rows of tiles.
    """

    virtual, computing, unit = False, COMPUTING, Phrase("tiles")

    def __init__(self, parameters: DetectObjects) -> None:
        """Check that it can be made.

        Raises:
            ParameterError, VectorError: it cannot.
        """
        check_outputs(parameters)
        self._parameters, self.out = parameters, parameters.out

    def planned(
        self,
        parameters: DetectObjects,
        work: ObjectParts,
        identity: dict[str, str],
        runs: int,
        side: int | None,
        progress: Progress,
    ) -> PartPlan:
        """Return a plan, with the overlap of tiles that a trial finds."""
        opened = work.opened
        opened.check_memory()
        overlap = overlap_of(opened.detector, opened.wanted, parameters.overlap, progress)
        lattice = opened.lattice(overlap)
        box, steps = lattice.box, lattice.steps
        size = (
            part_size(box.width, box.height, runs, sides=PartSides.of_steps(max(steps)))
            if side is None
            else _size(box, steps, side)
        )
        output = {"steps": steps, "shared": bool(parameters.part.strip() or parameters.resume)}
        files = (_BOXES, _MASKS) if opened.with_masks else (_BOXES,)
        return PartPlan(identity, files, output, {"overlap": overlap}, box, size, *work.memory)

    def part_size(self, plan: PartPlan, side: int) -> tuple[int, int]:
        """Return columns and rows of tiles in parts of this side."""
        across, down = (item.whole(1) for item in Json(dict(plan.output))["steps"].exactly(2))
        return _size(plan.box, (across, down), side)

    def followed(self, work: ObjectParts, folder: PartsFolder, plan: PartPlan, progress: Progress) -> _Maker:
        """Return what makes parts as a plan says."""
        overlap = Json(dict(plan.way))["overlap"].whole(0)
        opened = work.opened
        opened.budget = MemoryBudget(plan.memory, plan.cache)
        lattice = opened.lattice(overlap)
        if lattice.box != plan.box:
            raise Json(plan.box.width, "box").odd(Phrase("that of all tiles"))
        return _Maker(self._parameters, opened, lattice, folder, plan)

    def shares(self, plan: PartPlan) -> bool:
        """Return whether other runs compute parts of the same plan."""
        return Json(dict(plan.output))["shared"].flag()


def _size(box: Box, steps: tuple[int, int], side: int) -> tuple[int, int]:
    """Return columns and rows of tiles in parts of so many pixels."""
    return min(box.width, max(1, side // steps[0])), min(box.height, max(1, side // steps[1]))


class _Maker:
    """See `core.parts.partedoutput.PartMaker`."""

    def __init__(
        self,
        parameters: DetectObjects,
        opened: ImageDetection,
        lattice: TileLattice,
        folder: PartsFolder,
        plan: PartPlan,
    ) -> None:
        self.parameters, self.opened, self.lattice = parameters, opened, lattice
        self.folder, self.plan = folder, plan
        self.written: dict[str, Any] = {}

    def place(self, number: int) -> Box:
        return self.lattice.pixels(self.plan.parts[number])

    def make(self, number: int, places: Sequence[Staging], progress: Progress) -> MadePart:
        masks = [place.path for place in places[1:]]
        found = self.opened.found(self.lattice, self.plan.parts[number], masks, progress)
        _write(places[0].path, found)
        return MadePart({"boxes": len(found.boxes), **self.opened.detector.counts()})

    def whole(self, progress: Progress) -> Whole:
        return _Layer(self, progress)

    def results(self, notes: Sequence[PartNote]) -> dict[str, Any]:
        if self.written:
            return self.written
        report = {"out.report": None} if self.parameters.out_report else {}
        return {"out": None, **report, "overlap": self.lattice.overlap}


class _Layer:
    """See `core.parts.partedoutput.Whole`."""

    def __init__(self, maker: _Maker, progress: Progress) -> None:
        self._maker, self._progress, self._stack = maker, progress, ExitStack()
        self._notes: list[PartNote] = []
        self._boxes = self._tiles = 0

    def __enter__(self) -> _Layer:
        self._layer = self._stack.enter_context(ObjectLayer(self._maker.parameters, self._progress))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def arrived(self, number: int, note: PartNote, progress: Progress) -> None:
        """Take note of a part, and refuse too many boxes as soon as there are."""
        self._notes.append(note)
        plan, opened = self._maker.plan, self._maker.opened
        self._boxes += note.counts["boxes"]
        self._tiles += plan.parts[number].area
        opened.check_number(self._boxes, self._tiles, plan.box.area, opened.most_boxes)

    def finish(self, progress: Progress) -> None:
        maker, detector = self._maker, self._maker.opened.detector
        detector.reset_counts()
        for note in self._notes:
            detector.add_counts(note.counts)
        numbers = range(len(maker.plan.parts))
        masks = [maker.folder.part(number, _MASKS) for number in numbers] if maker.opened.with_masks else []
        boxes, overlap = self._read(starts_of(masks) if masks else [0 for _ in numbers]), maker.lattice.overlap
        maker.written = self._layer.write(detector, boxes, masks, overlap, Part(progress, COMPUTING, 1.0))

    def _read(self, starts: Sequence[int]) -> np.ndarray:
        """Return the boxes of all parts in the order of tiles, as if one run had found them.

        Args:
            starts: where the masks of each part begin in those of all.
        """
        found, tiles = [], []
        for number, part in enumerate(self._maker.plan.parts):
            boxes, each = _read(self._maker.folder.part(number, _BOXES), part.area)
            boxes["mask"][boxes["mask"] != NO_MASK] += starts[number]
            found.append(boxes)
            tiles.append(np.repeat(self._maker.lattice.numbers(part), each))
        return joined(found)[np.argsort(np.concatenate(tiles), kind="stable")]


def _write(path: Path, found: FoundBoxes) -> None:
    """Write what was found in a part.

    Raises:
        VectorError: it cannot be written, for instance because the disk is full.
    """
    try:
        with path.open("wb") as file:
            np.savez(file, boxes=found.boxes, each=found.each)
    except OSError as error:
        raise VectorError(
            "The objects of a part cannot be written to {path}: {reason}. Free some space, or choose another place for "
            "{out}.",
            path=path.parent,
            reason=error.strerror or Phrase("unknown reason"),
            out=field("out"),
        ) from error


def _read(path: Path, tiles: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes of a part, and their numbers by tile.

    Raises:
        VectorError: it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            boxes, each = file["boxes"], file["each"]
    except Exception as error:
        raise _damaged(path) from error
    fits = boxes.dtype == BOX and boxes.ndim == 1 and each.dtype.kind == "i" and each.shape == (tiles,)
    if not fits or (each < 0).any() or int(each.sum()) != len(boxes):
        raise _damaged(path)
    return boxes, each


def _damaged(path: Path) -> VectorError:
    return VectorError(
        "The part {path} is damaged: run again with {resume}, which computes it again.",
        path=path,
        resume=field("resume"),
    )

"""What dialogs say of a detector, from the description of a model: nothing is loaded or computed."""

from __future__ import annotations

from dataclasses import dataclass

from ..phrases import Phrase
from .detectorhead import DetectorHead, recognised_head
from .modelinterface import ModelInterface, TensorInfo
from .modelsummary import ModelSummary


@dataclass(frozen=True)
class DetectorSummary:
    """A detector.

    Attributes:
        head: what its outputs are.
        image: name of the input that takes the image.
        tile: width and height of the only images that it takes, in pixels; None where they are free.
    """

    head: DetectorHead
    image: str
    tile: tuple[int, int] | None

    def describe(self) -> str:
        """Return it in words."""
        head = self.head
        kind = Phrase("{form} ({brief})", form=head.form, brief=head.facts.brief) if head.facts.brief else head.form
        order = "" if head.order else Phrase(" in an unknown order")
        masks = Phrase(" and masks") if head.masks else ""
        tiles = Phrase("tiles of any size")
        if self.tile:
            tiles = Phrase("tiles of {width} x {height} pixels", width=self.tile[0], height=self.tile[1])
        if head.facts.oriented:
            return Phrase("{kind}: oriented boxes; {tiles}", kind=kind, tiles=tiles)
        return Phrase("{kind}: boxes{order}{masks}; {tiles}", kind=kind, order=order, masks=masks, tiles=tiles)

    def lists(self, info: TensorInfo) -> bool:
        """Return whether an output is one of those of boxes, or no map: serving refuses it."""
        return info.name in self.head.all_outputs or info.rank != 4


class _Described(ModelInterface):
    """A model as its description tells, where all bands are the last."""

    def __init__(self, summary: ModelSummary, path: str) -> None:
        super().__init__(path)
        self.kind = summary.kind
        self.inputs = {info.name: info for info in summary.inputs}
        self.outputs = {info.name: info for info in summary.outputs}
        self.transposed = frozenset(self.inputs) & summary.bands_first
        self._moved = summary.bands_first

    def moves_bands(self, output: str) -> bool:
        """See `ModelInterface.moves_bands`."""
        return output in self._moved


def detector_summary(summary: ModelSummary, path: str) -> DetectorSummary | None:
    """Return what is known of a detector; None for other models.

    Args:
        summary: of the model.
        path: of the model, whose file may tell more.
    """
    head = recognised_head(_Described(summary, path))
    if head is None:
        return None
    image = next((info for info in summary.inputs if info.rank in (3, 4) and info.holds_numbers), None)
    return DetectorSummary(head, image.name if image else "", _tile(image) if image else None)


def _tile(image: TensorInfo) -> tuple[int, int] | None:
    height, width = image.size(-3), image.size(-2)
    if image.rank == 3 and height is not None and ((bands := image.size(2)) is None or height < bands):
        height, width = width, bands  # bands x height x width
    return (width, height) if width and height else None

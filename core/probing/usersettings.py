"""The user's settings of how a model is applied, in one part for each step; none knows the keys of an operation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from ..models.inputscaling import InputScaling
from ..parameters.nodatarules import WITHOUT_BANDS, NodataRule


@dataclass(frozen=True)
class SourceSettings:
    """One source.

    Attributes:
        rasters: what is opened; their bands are stacked.
        placeholder: name of the model's input that it feeds; empty for the next in order.
        nodata: its no-data value; None for that of the rasters.
    """

    rasters: tuple[Any, ...] = ()
    placeholder: str = ""
    nodata: float | None = None


@dataclass(frozen=True)
class SourcesSettings:
    """How the sources are opened.

    Attributes:
        sources: each of them, in order.
        nodata_from_layer: whether the rasters' own no-data values and masks count.
        alpha: what bands are that are marked as alpha; see `core.rasters.alpha.decide`.
        rule: says which pixels are no-data, and which outputs.
    """

    sources: tuple[SourceSettings, ...] = ()
    nodata_from_layer: bool = True
    alpha: str = "auto"
    rule: NodataRule = WITHOUT_BANDS


@dataclass(frozen=True)
class ModelSettings:
    """How the model is loaded, and what is asked of it.

    Attributes:
        path: its file or folder.
        tags: tag sets of a SavedModel.
        trust: whether it is loaded although it holds unsafe operations.
        device: on which it is computed.
        placeholders: values of the user placeholders, as text.
        outputs: names of the outputs to compute, separated by spaces; empty for the default one.
        scaling: of images before the model; None for none.
    """

    path: str
    tags: str = ""
    trust: bool = False
    device: str = "auto"
    placeholders: str = ""
    outputs: str = ""
    scaling: InputScaling | None = None


@dataclass(frozen=True)
class AxisSettings:
    """The geometry along one axis; None where it is left out.

    Attributes:
        name: x or y.
        rfields: receptive field of each source, in its pixels.
        efield: expression field, in outputs.
        scale: spacing scale.
        padded: whether the image goes on beyond its edges.
    """

    name: str
    rfields: tuple[int | None, ...]
    efield: int | None = None
    scale: Fraction | None = None
    padded: bool = False

    @property
    def complete(self) -> bool:
        """Whether nothing is left out."""
        return None not in self.rfields and self.efield is not None and self.scale is not None


@dataclass(frozen=True)
class GeometrySettings:
    """How the model is to be applied.

    Attributes:
        mode: `on` for whole regions, `off` for patches, `auto` for what the model allows.
        x, y: sizes along both axes.
    """

    mode: str
    x: AxisSettings
    y: AxisSettings

    @classmethod
    def open(cls, sources: int) -> GeometrySettings:
        """Return settings in which the user sets nothing."""
        x, y = (AxisSettings(name, (None,) * sources) for name in "xy")
        return cls("auto", x, y)

    @property
    def axes(self) -> tuple[AxisSettings, AxisSettings]:
        """Both axes."""
        return self.x, self.y

    @property
    def complete(self) -> bool:
        """Whether nothing is left out."""
        return self.x.complete and self.y.complete

    @property
    def patches_given(self) -> bool:
        """Whether patches are asked for and the size of each source's is given."""
        return self.mode == "off" and None not in self.x.rfields + self.y.rfields

    def with_patches(self, sizes: Sequence[tuple[int, int] | None]) -> GeometrySettings:
        """Return the settings with the sizes of patches where none are given.

        Args:
            sizes: width and height of the patches of each source, as the model's sidecar tells them.
        """
        x, y = (
            replace(axis, rfields=tuple(own or (size and size[place]) for own, size in zip(axis.rfields, sizes)))
            for place, axis in enumerate(self.axes)
        )
        return replace(self, x=x, y=y)

    def offsets(self, ratios: Sequence[Fraction]) -> tuple[int, ...] | None:
        """Return each source's receptive field beyond its share of the ground; None where not all are given.

        Args:
            ratios: pixels of each source per pixel of the first.
        """
        if len(ratios) == 1:
            return (0,)
        fields = [field for field in self.x.rfields if field is not None]
        if len(fields) < len(self.x.rfields):
            return None
        return tuple(int(field - fields[0] * ratio) for field, ratio in zip(fields, ratios))

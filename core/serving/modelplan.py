"""How a model is applied, as part of a plan that several runs follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..base.jsonvalues import Json
from ..base.progress import Progress
from ..geometry.fields import AxisFields
from ..geometry.grid import Box
from ..probing.appliedgeometry import WHOLE, Fields, serving_geometry
from ..probing.classprobabilities import ClassProbabilities
from .openmodel import OpenModel, open_model
from .patchways import PatchWay
from .runplan import RunPlan
from .servesettings import ServeSettings
from .shiftandstitch import Period


@dataclass(frozen=True)
class ModelPlan:
    """How a model is applied.

    Attributes:
        outputs: names of the model's outputs, in the order of their bands.
        fields: how the model is applied, with the margins where tiles meet.
        alone: whether each patch is computed alone.
        constant: whether its weights are constants, which changes no bit, as the run that made the plan has tried.
        way: how patches are computed; None where regions are.
        bands: that the model returns.
        tile: width and height in outputs.
        probabilities: of the classes, or quantities, where further outputs are made of them.
    """

    outputs: tuple[str, ...]
    fields: Fields
    alone: bool
    constant: bool
    way: PatchWay | None
    bands: int
    tile: tuple[int, int]
    probabilities: ClassProbabilities | None = None

    @classmethod
    def of(cls, opened: OpenModel, run: RunPlan, box: Box) -> ModelPlan:
        """Return it as a run has found it, for all outputs in a box."""
        fields = run.geometry.fields
        tile = (box.width, box.height) if whole_only(fields) else run.tile
        return cls(
            outputs=tuple(opened.outputs),
            fields=fields,
            alone=opened.compute.alone,
            constant=bool(opened.compute.frozen),
            way=run.way,
            bands=run.bands,
            tile=tile,
            probabilities=opened.probabilities,
        )

    def opened_again(self, opened: OpenModel, settings: ServeSettings, progress: Progress) -> OpenModel:
        """Return the open model for the outputs of the plan: another machine may have found others of the same map."""
        if (self.outputs, self.probabilities) == (tuple(opened.outputs), opened.probabilities):
            return opened
        asked = replace(settings.model, outputs=" ".join(self.outputs))
        return open_model(replace(settings, model=asked, probabilities=self.probabilities), progress)

    def followed_by(self, opened: OpenModel, box: Box) -> tuple[OpenModel, RunPlan]:
        """Return the open model as the plan applies it, and the plan of a run over a box."""
        geometry = serving_geometry(opened.sources, self.fields)
        for compute in (opened.compute, *opened.beside):
            compute.alone = self.alone
            if self.constant:
                compute.freeze_as_planned()
        return replace(opened, geometry=geometry), RunPlan(geometry, box, self.bands, self.way, self.tile)

    def values(self) -> dict[str, Any]:
        """Return it in values of JSON; `read_model_plan` reads them."""
        return {
            "outputs": list(self.outputs),
            "fields": {"x": _axis(self.fields.x), "y": _axis(self.fields.y)},
            "alone": self.alone,
            "constant": self.constant,
            "patches": _way(self.way),
            "bands": self.bands,
            "tile": list(self.tile),
            "probabilities": None if self.probabilities is None else vars(self.probabilities),
        }


def read_model_plan(found: Json) -> ModelPlan:
    """Return what values of JSON hold.

    Raises:
        OddJson: they hold none.
    """
    width, height = (item.whole(1) for item in found["tile"].exactly(2))
    return ModelPlan(
        tuple(item.text() for item in found["outputs"].items()),
        Fields(_read_axis(found["fields"]["x"]), _read_axis(found["fields"]["y"])),
        found["alone"].flag(),
        found["constant"].flag(),
        _read_way(found.get("patches")),
        found["bands"].whole(1),
        (width, height),
        _read_probabilities(found.get("probabilities")),
    )


def whole_only(fields: Fields) -> bool:
    """Return whether each output depends on all of the image, so that a second part would take as long as the first."""
    return WHOLE in fields.x.margin and WHOLE in fields.y.margin


def _axis(axis: AxisFields) -> dict[str, Any]:
    values: dict[str, Any] = {**vars(axis), "scale": str(axis.scale)}
    return {
        name: list(value) if isinstance(value, Sequence) and name != "scale" else value
        for name, value in values.items()
    }


def _read_axis(found: Json) -> AxisFields:
    before, behind = (item.whole(0) for item in found["margin"].exactly(2))
    return AxisFields(
        tuple(item.whole(1) for item in found["rfields"].items()),
        found["efield"].whole(1),
        found["scale"].ratio(),
        found["fullyconv"].flag(),
        found["stride"].whole(1),
        found["lattice"].whole(1),
        (before, behind),
        found["fixed"].flag(),
        found["padded"].flag(),
        found["windowed"].flag(),
    )


def _read_probabilities(found: Json | None) -> ClassProbabilities | None:
    return (
        None
        if found is None
        else ClassProbabilities(found["output"].text(), found["bands"].whole(1), found["quantities"].flag())
    )


def _way(way: PatchWay | None) -> dict[str, Any] | None:
    if way is None:
        return None
    period = [way.period.pixels, way.period.outputs] if way.period else None
    return {"batch": way.batch, "period": period, "in_one_go": way.in_one_go}


def _read_way(found: Json | None) -> PatchWay | None:
    if found is None:
        return None
    period = found.get("period")
    return PatchWay(
        found["batch"].whole(1),
        Period(*(item.whole(1) for item in period.exactly(2))) if period else None,
        found["in_one_go"].flag(),
    )

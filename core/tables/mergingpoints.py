"""Layers of points, joined in the order of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..base.jsonvalues import parse
from ..base.progress import Part, Progress
from ..classes.legend import write_legend
from ..errors import VectorError, field
from ..phrases import Phrase
from ..vectors.transformation import Transformation
from ..vectors.vectorlayer import VectorLayer
from ..vectors.vectoroutput import OutputVector, vector_staging
from .rowcalls import RowCall
from .rowrun import RowOutcome


def merge_points(
    calls: Sequence[RowCall], outcomes: Sequence[RowOutcome], path: str, progress: Progress
) -> dict[str, Any]:
    """Write the points of all rows into one layer, in the coordinate system of the first; see `merging.Merge`.

    Raises:
        VectorError: the layers have other fields.
    """
    made = [(call, outcome) for call, outcome in zip(calls, outcomes) if outcome.results.get("out")]
    layers = [VectorLayer(str(outcome.results["out"])) for _, outcome in made]
    first, count = layers[0], 0
    for (call, _), layer in zip(made, layers):
        _check_fields(call, first, layer)
    with vector_staging(path, progress, field("out_merged")) as staging:
        with OutputVector(staging, first.fields, first.reference, progress) as output:
            for number, ((call, _), layer) in enumerate(zip(made, layers)):
                if not layer.reference.same_as(first.reference):
                    progress.warning(_reprojected(call, layer, first))
                transformation = Transformation(layer.reference, first.reference)
                part = Part(progress, number / len(layers), (number + 1) / len(layers))
                for points in layer.read_points(layer.fields, part):
                    x, y = transformation.points(points.x, points.y)
                    output.write(points.columns, x, y)
                    count += len(points)
            output.close()
        own, rows = _legend([outcome for _, outcome in made])
        write_legend(staging.folder, staging.final.name, rows, own)
        staging.commit()
    return {"samples": count, "classes": len(rows)} if rows else {"samples": count}


def _check_fields(call: RowCall, first: VectorLayer, layer: VectorLayer) -> None:
    ours, theirs = ([(each.name, each.kind) for each in of.fields] for of in (first, layer))
    if ours != theirs:
        raise VectorError(
            "{row} has written the fields {theirs}, but the first row {ours}: points are merged only where they have the "
            "same fields.",
            row=call.name,
            theirs=", ".join(f"{name} ({kind})" for name, kind in theirs),
            ours=", ".join(f"{name} ({kind})" for name, kind in ours),
        )


def _reprojected(call: RowCall, layer: VectorLayer, first: VectorLayer) -> Phrase:
    return Phrase(
        "{row} is in {theirs}: its points are reprojected to {ours}, that of the first row.",
        row=call.name,
        theirs=layer.reference.describe(),
        ours=first.reference.describe(),
    )


def _legend(outcomes: Sequence[RowOutcome]) -> tuple[str, list[dict[str, Any]]]:
    """Return the class field, and the classes of all rows with their numbers added up."""
    own = ""
    found: dict[str, dict[str, Any]] = {}
    for outcome in outcomes:
        if not outcome.results.get("legend"):
            continue
        own = str(outcome.results.get("field") or own)
        for row in parse(str(outcome.results["legend"])).value:
            known = found.setdefault(str(row["value"]), {**row, "count": 0})
            known["count"] += row.get("count", 0)
    rows = [{key: value for key, value in row.items() if key != "count" or value} for row in found.values()]
    return own, sorted(rows, key=lambda row: (isinstance(row["value"], str), row["value"]))

"""MapToPolygons: the outlines of a map's classes as polygons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import Group, NumberResult, Operation, TextResult
from ..parameters.sharedgroups import PixelMemory


@dataclass(frozen=True)
class _Map(PixelMemory):
    image: Any = voc.raster(
        "in",
        "Map",
        "Raster of one band: classes as whole numbers, or a probability. INSTANCES takes up to three bands.",
    )
    threshold: float | None = voc.number(
        "threshold",
        "Threshold",
        "For a probability: its polygons are the pixels with this value or more, as class 1. Empty: the map holds classes.",
        section=sections.SETTINGS,
    )
    probabilities: Any = voc.raster(
        "probabilities",
        "Probabilities",
        "Raster on the map's grid, from which each polygon gets its mean probability. Of several bands, one for each "
        "class, the largest value of a pixel counts. Default: with THRESHOLD, the map itself.",
        required=False,
    )
    minarea: float | None = voc.number(
        "minarea",
        "Smallest area (m2)",
        "Smaller areas become part of their largest neighbour, as with GDAL's Sieve; holes that small are filled. Those "
        "that only touch no-data stay.",
        minimum=0,
        section=sections.SETTINGS,
    )
    simplify: float | None = voc.number(
        "simplify",
        "Simplification tolerance (map units)",
        "Borders get fewer vertices and move by this distance at most, in the unit of the map's coordinate system. "
        "Neighbours keep one border. One to two pixels remove the steps between pixels. Empty: borders follow the pixels.",
        minimum=0,
        section=sections.SETTINGS,
    )
    rightangles: bool = voc.boolean(
        "rightangles",
        "Right angles",
        "For buildings, with SIMPLIFY: outlines that are near right angles get them, along their main direction. Outlines "
        "where three areas meet, or at the edge of the map, are only simplified.",
        section=sections.SETTINGS,
        advanced=True,
    )
    matrix: str | None = voc.file(
        "matrix",
        "Confusion matrix of the map",
        "CSV file in which ComputeConfusionMatrix has compared this map with reference data. The table of areas then also has "
        "the areas adjusted for the map's errors (adjusted, in m2) and half the width of their 95 % confidence interval "
        "(adjust_ci), after Olofsson et al. (2014). The reference must be a random sample of each mapped class.",
        required=False,
        file_filter="CSV files (*.csv *.txt);;All files (*)",
        section=sections.SETTINGS,
        advanced=True,
    )
    nodata: float | None = shared.nodata("Pixels with this value get no polygon.", advanced=True)
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()


@dataclass(frozen=True)
class _Instances(Group):
    """Objects that touch, as one polygon each."""

    instances: bool = voc.boolean(
        "instances",
        "Separate objects that touch",
        "For fields or buildings: IN is the probability of their extent, and BOUNDARIES, DISTANCES or both tell them apart; or "
        "IN has these as its bands: extent, boundary, distance. All are between 0 and 1. The extent is THRESHOLD (default "
        "0.5) or more. Seeds are connected pixels in it with a distance of SEEDS or more; without a distance, with an extent "
        "minus the boundary of SEEDS or more. From them, a watershed floods the extent, by the boundary minus the distance. "
        "It runs in the engine, with scikit-image (EXTRAS=objects of otbtf:installengine).",
        section=sections.SETTINGS,
    )
    boundaries: Any = voc.raster(
        "boundaries",
        "Boundaries",
        "With INSTANCES: raster on the map's grid with the probability of borders.",
        required=False,
    )
    distances: Any = voc.raster(
        "distances",
        "Distances",
        "With INSTANCES: raster on the map's grid with the distance from the border of the object, divided by the largest "
        "one in it.",
        required=False,
    )
    seeds: float = voc.number(
        "seeds",
        "Least distance of seeds",
        "With INSTANCES. Higher values separate more objects, and lose small ones.",
        default=0.5,
        minimum=0,
        maximum=1,
        section=sections.SETTINGS,
        advanced=True,
    )
    overlap: int = voc.integer(
        "overlap",
        "Largest object (pixels)",
        "With INSTANCES: side of the largest object. Tiles are computed with twice as much around them, so that they have no "
        "effect on objects up to this size; the log tells of larger ones.",
        default=128,
        minimum=1,
        section=sections.SPEED,
        advanced=True,
    )


@dataclass(frozen=True)
class MapToPolygons(Operation, _Instances, _Map):
    """The connected pixels of each class, as `gdal_polygonize` finds them, from strips of a map of any height."""

    TITLE = "Convert a map to polygons"
    GROUP = "inference"
    DESCRIPTION = (
        "Makes a polygon of each group of connected pixels of one class, with the class, its name, area, perimeter and, "
        "where probabilities are given, its mean probability. Pixels are connected by their edges. Pixels without data "
        "get no polygon.\n\n"
        "The polygons are those of GDAL's Polygonize and Sieve, but the map is read in strips: it can be larger than "
        "memory. Areas (m2) and perimeters (m) are those on the ellipsoid of the map's coordinate system.\n\n"
        "INSTANCES makes one polygon of each field or building, although they touch, from the probabilities of their extent "
        "and borders, or distances from these."
    )
    RESULTS = (
        NumberResult("polygons", "Number of polygons"),
        NumberResult("classes", "Number of classes"),
        TextResult("legend", "Classes, their names and colours, as JSON"),
    )
    RUN = "polygons.mappolygons:map_to_polygons"
    ENGINE_WITH = "instances"

    out: str = voc.vector_out("out", "Polygons", "The polygons, in the map's coordinate system.", geometry="polygon")
    outtable: str | None = voc.vector_out(
        "outtable",
        "Areas per class",
        "Table (.gpkg, .csv, ...) with the number of polygons and pixels, the area and its share of each class.",
        required=False,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.matrix and not self.outtable:
            raise ParameterError(
                "{matrix} is given, but {outtable} is missing, which gets the adjusted areas: name a file for it, or leave "
                "{matrix} empty.",
                matrix=field("matrix"),
                outtable=field("outtable"),
            )
        changed = [
            name for name in ("threshold", "minarea", "instances") if getattr(self, name) not in (None, False, 0)
        ]
        if self.matrix and changed:
            raise ParameterError(
                "{matrix} compares the map as it is, but {other} changes its areas: leave one of them empty.",
                matrix=field("matrix"),
                other=field(changed[0]),
            )
        if self.instances and not 0 <= self.least_extent <= 1:
            raise ParameterError(
                "{threshold} is {value:g}, but must be between 0 and 1 with {instances}, as the extent is.",
                threshold=field("threshold"),
                value=self.least_extent,
                instances=field("instances"),
            )
        for key in ("boundaries", "distances"):
            if getattr(self, key) is not None and not self.instances:
                raise ParameterError(
                    "{given} has no effect without {instances}: set {instances} to on, or leave {given} empty.",
                    given=field(key),
                    instances=field("instances"),
                )

    @property
    def least_extent(self) -> float:
        """The probability from which on a pixel belongs to an object, with INSTANCES."""
        return 0.5 if self.threshold is None else self.threshold

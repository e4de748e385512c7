"""CreateExampleData: a synthetic scene with reference data, to try the operations."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import Operation


@dataclass(frozen=True)
class CreateExampleData(Operation):
    """OTBTF has no such application."""

    TITLE = "Create example data"
    GROUP = "start"
    DESCRIPTION = (
        "Creates a synthetic scene in the style of Sentinel-2 to try the other algorithms: an image of 4 bands at 10 "
        "m, an image of 6 bands at 20 m, and sparse reference data of six classes, as rasters and as polygons. The "
        "classes differ more in texture than in spectrum, so a model benefits from a receptive field larger than one "
        "pixel.\n\n"
        "Two orthophotos of 0.5 m, and layers of the boxes of all trees and houses in them, are for detectors: one to train, "
        "the other to assess. Polygons of all fields (farmland and grassland) of the scene are for the template "
        "field_boundaries."
    )
    RUN = "exampledata.datacreation:create_example_data"

    outdir: str = voc.folder_out(
        "outdir",
        "Output folder",
        "Folder for the files. Its last part is created if it does not exist.",
    )
    size: int = voc.integer(
        "size",
        "Scene size",
        "Width and height of the scene in pixels of 10 m, an even number; 1024 takes a few seconds and 10 MB.",
        default=1024,
        minimum=256,
        maximum=20_000,
        section=sections.SETTINGS,
    )
    seed: int = shared.seed(default=1, maximum=shared.LARGEST_32_BIT_SEED, section=sections.SETTINGS)

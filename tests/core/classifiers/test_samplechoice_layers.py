"""Samples of several layers: chosen as if the features of all stood in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving
from classifier_scene import QUARTERS, box, layer, pixels
from osgeo import osr

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.classes.legend import write_legend
from otbtf_qgis.core.classifiers.samplechoice import ChosenSamples, SampleChoice, SampleChooser, SampleScene
from otbtf_qgis.core.errors import ParameterError, VectorError
from otbtf_qgis.core.parameters.parsing import parse
from otbtf_qgis.core.rasters.rasterstack import Stack
from otbtf_qgis.core.samples.validity import Validity
from otbtf_qgis.core.workflows.commandline import parse_commands

OVERLAPPING = ((box(10, 9, 20, 19), 9), (box(40, 30, 50, 39), 3), (box(1, 1, 5, 5), 50))
"""Classes that the quarters have too, and one that they have not."""


@pytest.fixture
def image(tmp_path: Path) -> str:
    return serving.write(tmp_path / "image.tif", pixels())


def chosen(image: str, training: Any, **more: Any) -> ChosenSamples:
    values = {"vd": training, "sample.vfn": "class", **{name.replace("__", "."): value for name, value in more.items()}}
    validity = Validity(Stack([image]), None, True)
    parameters = parse(SampleChoice, values)
    scene = SampleScene(validity, parameters.vd, parameters.valid)
    return SampleChooser(parameters, [scene], 64, 1).choose(Progress())[0]


def places(found: Any) -> list[tuple[int, int, int]]:
    return sorted(zip(found.columns.tolist(), found.rows.tolist(), found.labels.tolist()))


@pytest.mark.parametrize("more", [{}, {"sample__bm": 0, "sample__mt": 90, "sample__mv": -1}, {"sample__vtr": 0.2}])
def test_as_if_they_stood_in_one(image: str, tmp_path: Path, more: dict[str, Any]) -> None:
    first, second = layer(tmp_path / "a.gpkg"), layer(tmp_path / "b.shp", OVERLAPPING)
    both = layer(tmp_path / "both.gpkg", [*QUARTERS, *OVERLAPPING])
    several, one = chosen(image, [first, second], **more), chosen(image, both, **more)
    assert places(several.training) + places(several.validation) != []
    together = (places(several.training) + places(several.validation), places(one.training) + places(one.validation))
    assert sorted(together[0]) == sorted(together[1])
    assert np.unique(several.training.labels).tolist() == [3, 4, 9, 20, 50]


def test_numbers_that_the_layers_name_differently(image: str, tmp_path: Path) -> None:
    """Classes are chosen, limited and balanced by their names: 3 is water in one layer, and forest in the other."""
    first, second = layer(tmp_path / "a.gpkg", QUARTERS[:2]), layer(tmp_path / "b.gpkg", OVERLAPPING[:2])
    for path, names in ((first, {3: "water", 4: "forest"}), (second, {9: "water", 3: "forest"})):
        rows = [{"value": value, "name": name} for value, name in names.items()]
        write_legend(tmp_path, Path(path).name, rows, "class")
    found = chosen(image, [first, second], sample__bm=0, sample__vtr=0, sample__mt=-1)
    assert {number: entry.name for number, entry in found.legend.items()} == {3: "water", 4: "forest"}
    numbers = dict(zip(*(values.tolist() for values in np.unique(found.training.labels, return_counts=True))))
    assert numbers == {3: 18 * 12 + 10 * 10, 4: 18 * 12 + 10 * 9}
    limited = chosen(image, [first, second], sample__bm=0, sample__vtr=0, sample__mt=250)
    assert np.unique(limited.training.labels, return_counts=True)[1].tolist() == [250, 250]


def test_texts_of_several_layers(image: str, tmp_path: Path) -> None:
    first = layer(tmp_path / "a.gpkg", [(box(8, 8, 26, 20), "water"), (box(34, 8, 52, 20), "forest")])
    second = layer(tmp_path / "b.gpkg", [(box(8, 28, 26, 40), "crop"), (box(34, 28, 52, 40), "water")])
    found = chosen(image, [first, second], sample__bm=0, sample__vtr=0)
    assert {number: entry.name for number, entry in found.legend.items()} == {0: "crop", 1: "forest", 2: "water"}
    assert np.unique(found.training.labels, return_counts=True)[1].tolist() == [216, 216, 432]
    with pytest.raises(ParameterError, match=r"holds numbers in .*c\.gpkg, but names in .*a\.gpkg"):
        chosen(image, [first, layer(tmp_path / "c.gpkg")])


def test_validation_layers(image: str, tmp_path: Path) -> None:
    first, second = layer(tmp_path / "a.gpkg", QUARTERS[:2]), layer(tmp_path / "b.gpkg", QUARTERS[2:])
    found = chosen(image, layer(tmp_path / "training.gpkg"), valid=[first, second], sample__bm=0)
    assert np.unique(found.training.labels, return_counts=True)[1].tolist() == [216, 216, 216, 216]
    # every pixel of the polygons of 18 x 12 pixels
    assert places(found.validation) == sorted(
        (column, row, label)
        for label, left, top in ((3, 8, 8), (4, 34, 8), (9, 8, 28), (20, 34, 28))
        for column in range(left, left + 18)
        for row in range(top, top + 12)
    )


def test_layers_of_other_coordinate_systems(image: str, tmp_path: Path) -> None:
    x0, y0 = serving.ORIGIN[0], serving.ORIGIN[3]
    near = layer(tmp_path / "near.gpkg", QUARTERS[:1])
    transformation = osr.CoordinateTransformation(_system(serving.UTM), _system(3857))
    x, y, _ = transformation.TransformPoint(x0 + 10 * 40.5, y0 - 10 * 30.5)
    far = layer(tmp_path / "far.gpkg", [(f"POINT({x} {y})", 4)], epsg=3857)
    found = chosen(image, [near, far], sample__bm=0, sample__vtr=0)
    assert [place for place in places(found.training) if place[2] == 4] == [(40, 30, 4)]


def _system(epsg: int) -> Any:
    system = osr.SpatialReference()
    system.ImportFromEPSG(epsg)
    system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return system


def test_a_layer_that_gives_nothing_is_named(image: str, tmp_path: Path) -> None:
    far = layer(tmp_path / "far.gpkg", [(box(1000, 1000, 1010, 1010), 3)])
    with pytest.raises(VectorError, match=r"No feature of .*far\.gpkg can be used"):
        chosen(image, [layer(tmp_path / "near.gpkg"), far])


def test_a_command_line_of_otbtf() -> None:
    (call,) = parse_commands(
        "otbcli_TrainClassifierFromDeepFeatures -source1.il a.tif -model.dir net -vd a.shp b.shp -valid c.shp d.shp "
        "-sample.vfn class -out m.skops"
    )
    assert call.values["vd"] == ("a.shp", "b.shp")
    assert call.parameters()["VALID"] == ["c.shp", "d.shp"]
    assert "VD=a.shp VD=b.shp" in call.as_qgis_process()

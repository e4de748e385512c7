"""Parameters for rasters: QGIS does not open what is given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from osgeo import gdal
from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsProperty,
    QgsRasterLayer,
)

from otbtf_qgis.provider import OtbtfProvider


@pytest.fixture
def algorithm(provider: OtbtfProvider) -> QgsProcessingAlgorithm:
    return provider.algorithm("patchesmosaic").create()


@pytest.fixture
def patches(tmp_path: Path) -> str:
    """Two patches without georeferencing, in which no pixel is valid."""
    path = str(tmp_path / "pat'ches.tif")
    data = gdal.GetDriverByName("GTiff").Create(path, 4, 8, 2, gdal.GDT_Byte)
    data.GetRasterBand(1).SetNoDataValue(0)
    return path


@pytest.fixture
def gdal_says() -> Iterator[list[str]]:
    said: list[str] = []
    gdal.PushErrorHandler(lambda level, number, message: said.append(message))
    yield said
    gdal.PopErrorHandler()


def test_a_path_is_not_opened(
    algorithm: QgsProcessingAlgorithm, patches: str, gdal_says: list[str], tmp_path: Path
) -> None:
    QgsRasterLayer(patches)
    assert gdal_says and len(list(tmp_path.iterdir())) == 2, "opening it would write statistics beside it"
    Path(f"{patches}.aux.xml").unlink()
    del gdal_says[:]
    context = QgsProcessingContext()
    parameters: dict[str, Any] = {"IN": patches, "LABELS": patches, "OUT": str(tmp_path / "out.tif")}
    for name, value in parameters.items():
        assert algorithm.parameterDefinition(name).checkValueIsAcceptable(value, context)
    assert algorithm.validateInputCrs(parameters, context)
    command = algorithm.asPythonCommand(parameters, context)
    assert algorithm.checkParameterValues(parameters, context) == (True, "")
    assert eval(command, {"processing": _Recorder()}) == ("otbtf:patchesmosaic", parameters)
    assert (gdal_says, list(tmp_path.iterdir())) == ([], [Path(patches)])


class _Recorder:
    """Stands for the module in a command of QGIS's history."""

    def run(self, *call: Any) -> tuple[Any, ...]:
        return call


def test_layers_stand_for_their_sources(
    provider: OtbtfProvider, algorithm: QgsProcessingAlgorithm, patches: str
) -> None:
    layer = QgsRasterLayer(patches, "of the project")
    QgsProject.instance().addMapLayer(layer)
    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())
    try:
        one, several = algorithm.parameterDefinition("IN"), provider.algorithm("concatenateimages").create()
        for definition in (one, several.parameterDefinition("IL")):
            for value in (layer, layer.id(), "of the project", patches):
                assert definition.checkValueIsAcceptable(value, context)
                assert eval(definition.valueAsPythonString(value, context)) == patches
        mixed = [layer.id(), "https://host/a.tif", layer]
        assert definition.checkValueIsAcceptable(mixed, context)
        assert eval(definition.valueAsPythonString(mixed, context)) == [patches, "https://host/a.tif", patches]
    finally:
        QgsProject.instance().removeMapLayer(layer)


@pytest.mark.parametrize(("name", "optional"), [("IN", False), ("LABELS", True)])
def test_nothing_is_acceptable_where_a_raster_is_optional(
    algorithm: QgsProcessingAlgorithm, name: str, optional: bool
) -> None:
    definition, context = algorithm.parameterDefinition(name), QgsProcessingContext()
    for nothing in (None, "", []):
        assert definition.checkValueIsAcceptable(nothing, context) is optional
    prop = QgsProperty.fromExpression("'a.tif'")
    assert definition.checkValueIsAcceptable(prop, context)
    assert "fromExpression" in definition.valueAsPythonString(prop, context)


def test_a_number_is_refused_in_words(algorithm: QgsProcessingAlgorithm, patches: str, tmp_path: Path) -> None:
    parameters = {"IN": patches, "LABELS": 7, "OUT": str(tmp_path / "out.tif")}
    ok, message = algorithm.checkParameterValues(parameters, QgsProcessingContext())
    assert not ok and "LABELS is 7, but must be a raster layer" in message
    with pytest.raises(Exception, match="must be a raster layer"):
        algorithm.run(parameters, QgsProcessingContext(), QgsProcessingFeedback(), catchExceptions=False)

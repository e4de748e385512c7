"""What dialogs offer of vector layers: their selected features, and the field that holds the class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from osgeo import ogr
from processing.gui.AlgorithmDialog import AlgorithmDialog
from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingFeatureSourceDefinition,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtWidgets import QCheckBox

from otbtf_qgis.plugin import OtbtfPlugin


def layer(path: Path, field: str) -> QgsVectorLayer:
    data = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    made = data.CreateLayer(path.stem, geom_type=ogr.wkbPoint)
    made.CreateField(ogr.FieldDefn(field, ogr.OFTInteger))
    for number in (1, 2):
        feature = ogr.Feature(made.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({number} 0)"))
        feature[0] = number
        made.CreateFeature(feature)
    made = data = feature = None
    return QgsVectorLayer(str(path), path.stem, "ogr")


@pytest.fixture
def project() -> Iterator[QgsProject]:
    project = QgsProject.instance()
    yield project
    project.removeAllMapLayers()


def dialog(identifier: str) -> AlgorithmDialog:
    made = AlgorithmDialog(QgsApplication.processingRegistry().createAlgorithmById(identifier))
    made.show()
    QgsApplication.processEvents()
    return made


def value(made: AlgorithmDialog, name: str) -> Any:
    return made.mainWidget().wrappers[name].parameterValue()


CLASS_FIELDS = (
    ("sampleselection", "VEC", "FIELD"),
    ("polygonclassstatistics", "VEC", "FIELD"),
    ("patchesextraction", "VEC", "FIELD"),
    ("trainclassifierfromdeepfeatures", "VD", "SAMPLE_VFN"),
)


@pytest.mark.parametrize(("algorithm", "vector", "field"), CLASS_FIELDS)
def test_the_class_field_is_not_the_number_of_the_features(
    plugin: OtbtfPlugin, project: QgsProject, tmp_path: Path, algorithm: str, vector: str, field: str
) -> None:
    ours, other = layer(tmp_path / "ours.gpkg", "class"), layer(tmp_path / "other.gpkg", "label")
    project.addMapLayers([ours, other])
    assert [name.name() for name in ours.fields()] == ["fid", "class"]
    made = dialog(f"otbtf:{algorithm}")
    wrapper, context = made.mainWidget().wrappers[vector], QgsProcessingContext()
    context.setProject(project)
    for shown, expected in ((ours, ("class",)), (other, ("", None)), (ours, ("class",))):
        wrapper.setParameterValue([shown.id()] if vector == "VD" else shown.id(), context)
        QgsApplication.processEvents()
        assert value(made, field) in expected
    made.close()


def test_selected_features_only(plugin: OtbtfPlugin, project: QgsProject, tmp_path: Path) -> None:
    training = layer(tmp_path / "training.gpkg", "class")
    project.addMapLayer(training)
    made = dialog("otbtf:sampleselection")
    training.selectByIds([1])
    box = made.mainWidget().wrappers["VEC"].wrappedWidget().findChildren(QCheckBox)[0]
    QgsApplication.processEvents()
    box.setChecked(True)
    found = value(made, "VEC")
    assert isinstance(found, QgsProcessingFeatureSourceDefinition)
    assert found.selectedFeaturesOnly
    made.close()

"""The one reader of parameters: from whatever QGIS hands over to plain values under OTBTF's keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from osgeo import ogr
from qgis.core import (
    NULL,
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsGeometry,
    QgsProcessingContext,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingOutputLayerDefinition,
    QgsProject,
    QgsProperty,
    QgsRasterLayer,
    QgsRectangle,
    QgsReferencedRectangle,
    QgsVectorLayer,
)

from otbtf_qgis.algorithms.base import OtbtfAlgorithm
from otbtf_qgis.algorithms.reading import Reader, written
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.parameters import sharedkeys as shared
from otbtf_qgis.core.parameters import vocabulary as voc
from otbtf_qgis.core.parameters.operation import Operation
from otbtf_qgis.core.parameters.parsing import keys, parse
from otbtf_qgis.provider import OtbtfProvider


@dataclass(frozen=True)
class Source:
    il: tuple[str, ...] = voc.rasters("il", "Images", "Images.")
    placeholder: str = voc.text("placeholder", "Input", "Name.")
    out_pixeltype: str = shared.pixel_type("out.pixeltype", "Output")
    nodata: float | None = voc.number("nodata", "No data", "Value.")


@dataclass(frozen=True)
class Everything(Operation):
    NEEDS_ENGINE = False

    sources: tuple[Source, ...] = voc.numbered(Source, 8)
    mask: str = voc.raster("mask", "Mask", "A raster.", required=False)
    vec: str = voc.vector("vec", "Points", "A layer.", required=False)
    field: str = voc.attribute("field", "Field", "A field.", of="vec", required=False)
    model_dir: str = voc.file("model.dir", "Model", "A model.", required=False)
    names: str = voc.text("output.names", "Names", "Names.")
    size: int = voc.integer("grid.step", "Step", "Pixels.", default=16, minimum=1)
    level: float = voc.number("level", "Level", "A level.", default=0.5)
    trust: bool = voc.boolean("trust_model", "Trust", "Trust it.")
    mode: str = voc.choice("mode", "Mode", "How.", ("auto", "on", "off"))
    extent: str = voc.extent("extent", "Extent", "Where.")
    out: str = voc.raster_out("out", "Output", "A raster.", required=False)
    outvec: str = voc.vector_out("outvec", "Points", "A layer.", required=False)
    outfile: str = voc.file_out("outfile", "File", "A file.", file_filter="Text (*.txt)")
    outdir: str = voc.folder_out("outdir", "Folder", "A folder.", required=False)


class Algorithm(OtbtfAlgorithm):
    OPERATION = Everything
    GROUP = "sampling"

    def displayName(self) -> str:
        return "Everything"

    def description(self) -> str:
        return "Takes every kind of parameter."


Read = Callable[..., Any]


@pytest.fixture
def algorithm(provider: OtbtfProvider) -> Algorithm:
    algorithm = Algorithm()
    algorithm.setProvider(provider)
    algorithm.initAlgorithm()
    return algorithm


@pytest.fixture
def reader(algorithm: Algorithm, context: QgsProcessingContext) -> Callable[..., Reader]:
    return lambda **parameters: Reader(algorithm, keys(Everything), parameters, context)


@pytest.fixture
def read(reader: Callable[..., Reader]) -> Read:
    """Reads the inputs as a run does, and checks them."""

    def read(**parameters: Any) -> dict[str, Any]:
        one = reader(**parameters)
        one.check_names()
        values = written(one.inputs(run=True), Progress())
        parse(Everything, values)
        return values

    return read


def points(uri: str = "Point?crs=EPSG:32654&field=class:integer", name: str = "pts") -> QgsVectorLayer:
    layer = QgsVectorLayer(uri, name, "memory")
    for x in (1.0, 2.0, 3.0):
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromWkt(f"Point ({x} 5)"))
        feature.setAttributes([int(x)])
        layer.dataProvider().addFeature(feature)
    return layer


def coordinates(source: str) -> list[float]:
    path, _, layer_name = source.partition("|layername=")
    data = ogr.Open(path)
    layer = data.GetLayerByName(layer_name) if layer_name else data.GetLayer(0)
    return [feature.GetGeometryRef().GetX() for feature in layer]


class TestNames:
    def test_unknown_one_names_the_nearest(self, read: Read) -> None:
        with pytest.raises(ParameterError, match=r"Unknown parameter MODEL_DIRR\. Did you mean MODEL_DIR\?"):
            read(MODEL_DIRR="x")

    def test_unknown_one_is_an_error_even_as_null(self, read: Read) -> None:
        with pytest.raises(ParameterError, match="SOURCE9_IL"):
            read(SOURCE9_IL=None)

    def test_hidden_sources_are_accepted(self, read: Read, make_raster: Callable[[str], str]) -> None:
        path = make_raster("a.tif")
        given_sources = {f"SOURCE{number}_IL": [path] for number in range(1, 9)}
        assert read(**given_sources)["source8.il"] == [path]


class TestNotGiven:
    @pytest.mark.parametrize("nothing", [None, NULL, "", QgsProperty.fromValue(None), []])
    def test_null_and_empty_mean_not_given(self, read: Read, nothing: Any) -> None:
        names = ("SOURCE1_IL", "MASK", "VEC", "FIELD", "MODEL_DIR", "OUTPUT_NAMES", "GRID_STEP", "LEVEL", "MODE")
        assert read(**dict.fromkeys((*names, "EXTENT"), nothing)) == {}

    def test_defaults_are_not_filled_in(self, read: Read) -> None:
        assert read() == {}

    def test_a_dialogs_defaults_do_not_make_a_source(self, read: Read) -> None:
        assert read(SOURCE2_IL=[], SOURCE2_PLACEHOLDER="", SOURCE2_OUT_PIXELTYPE="auto", SOURCE2_NODATA=None) == {}

    def test_an_empty_item_does_not_shift_a_stack(self, read: Read) -> None:
        for empty in ("", None, NULL):
            with pytest.raises(ParameterError, match="SOURCE1_IL, image 2, is empty"):
                read(SOURCE1_IL=["a.tif", empty, "b.tif"])


class TestNumbersAndWords:
    @pytest.mark.parametrize("value", ["abc", "1.5", "1,5", True, "0x10"])
    def test_no_whole_number(self, read: Read, value: Any) -> None:
        with pytest.raises(ParameterError, match="GRID_STEP is .* must be a whole number"):
            read(GRID_STEP=value)

    @pytest.mark.parametrize("value", ["abc", "1 2", [1.0, 2.0], False])
    def test_no_number(self, read: Read, value: Any) -> None:
        with pytest.raises(ParameterError, match="LEVEL is .* must be a number"):
            read(LEVEL=value)

    @pytest.mark.parametrize(("value", "meaning"), [("on", 1), ("OFF", 0), ("true", 1), ("False", 0), ("1", 1), (0, 0)])
    def test_booleans(self, read: Read, value: Any, meaning: int) -> None:
        assert parse(Everything, read(TRUST_MODEL=value)).trust is bool(meaning)

    @pytest.mark.parametrize("value", ["maybe", "2", 7, "offf"])
    def test_no_boolean(self, read: Read, value: Any) -> None:
        with pytest.raises(ParameterError, match="TRUST_MODEL is .* must be on or off"):
            read(TRUST_MODEL=value)

    def test_choices_are_words(self, read: Read) -> None:
        assert read(MODE="off") == {"mode": "off"}
        with pytest.raises(ParameterError, match="MODE is 1, but must be one of: auto, on, off"):
            read(MODE=1)

    def test_properties_are_evaluated(self, read: Read) -> None:
        assert read(GRID_STEP=QgsProperty.fromExpression("4 * 8")) == {"grid.step": 32}
        with pytest.raises(ParameterError, match="GRID_STEP is an expression"):
            read(GRID_STEP=QgsProperty.fromExpression("4 *"))


class TestRasters:
    def test_layers_ids_names_and_paths_in_the_order_given(self, read: Read, make_raster: Callable[[str], str]) -> None:
        paths = [make_raster(f"{name}.tif") for name in ("z", "y", "x", "w")]
        layers = [QgsRasterLayer(path, f"layer {number}") for number, path in enumerate(paths)]
        QgsProject.instance().addMapLayers(layers[:3])
        stack = [layers[0], layers[1].id(), "layer 2", paths[3]]
        assert read(SOURCE1_IL=stack) == {"source1.il": paths}
        assert read(SOURCE1_IL=stack[::-1]) == {"source1.il": paths[::-1]}
        assert read(MASK="layer 1") == {"mask": paths[1]}

    @pytest.mark.parametrize(
        "text",
        [
            "https://example.org/a.tif?sig=x%2Fy&n=1",
            "HTTP://example.org/a.tif",
            "/vsicurl/https://example.org/a.tif",
            "C:\\data\\a.tif",
            "C:/data/a.tif",
            'NETCDF:"/data/a.nc":t2m',
            "/does/not/exist.tif",
            "a;b.tif",
        ],
    )
    def test_text_is_passed_on_as_it_is(self, read: Read, text: str) -> None:
        assert read(SOURCE1_IL=[text, text], MASK=text) == {"source1.il": [text, text], "mask": text}

    @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1))
    def test_any_text_in_any_order(self, read: Read, texts: list[str]) -> None:
        assert read(SOURCE1_IL=texts) == {"source1.il": texts}

    def test_a_single_text_is_a_list_of_one(self, read: Read) -> None:
        assert read(SOURCE1_IL="a.tif") == {"source1.il": ["a.tif"]}

    def test_a_vector_layer_is_refused_by_name(self, read: Read) -> None:
        layer = points(name="my points")
        QgsProject.instance().addMapLayer(layer)
        for value in (layer, layer.id(), "my points"):
            with pytest.raises(ParameterError, match="SOURCE1_IL, image 1, is the layer 'my points', but must be a ra"):
                read(SOURCE1_IL=[value])

    def test_a_layer_that_is_not_a_file_needs_an_extent(self, read: Read) -> None:
        layer = QgsRasterLayer("type=xyz&url=file:///nowhere/{z}/{x}/{y}.png", "tiles", "wms")
        with pytest.raises(ParameterError, match="MASK: the layer tiles is not a file, and WEB_EXTENT is missing"):
            read(MASK=layer)

    def test_a_raster_and_a_vector_layer_of_one_name(self, read: Read, make_raster: Callable[[str], str]) -> None:
        path = make_raster("a.tif")
        QgsProject.instance().addMapLayers([points(name="same"), QgsRasterLayer(path, "same")])
        assert read(MASK="same") == {"mask": path}


class TestVectors:
    @pytest.fixture
    def package(self, tmp_path: Path) -> str:
        path = str(tmp_path / "points.gpkg")
        data = ogr.GetDriverByName("GPKG").CreateDataSource(path)
        for name, x in (("first", 10.0), ("second", 20.0)):
            layer = data.CreateLayer(name, geom_type=ogr.wkbPoint)
            layer.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
            for offset in (0, 1):
                feature = ogr.Feature(layer.GetLayerDefn())
                feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({x + offset} 0)"))
                feature["class"] = offset
                layer.CreateFeature(feature)
        return path

    def test_the_layer_of_a_file_is_named(self, read: Read, package: str) -> None:
        source = f"{package}|layername=second"
        layer = QgsVectorLayer(source, "second")
        QgsProject.instance().addMapLayer(layer)
        for value in (layer, layer.id(), "second", source, QgsProcessingFeatureSourceDefinition(layer.id())):
            assert read(VEC=value) == {"vec": source}

    def test_memory_layers_are_exported(self, read: Read) -> None:
        layer = points()
        QgsProject.instance().addMapLayer(layer)
        source = read(VEC=layer.id())["vec"]
        assert source.endswith(".gpkg")
        assert coordinates(source) == [1, 2, 3]

    def test_filters_selections_and_edits_count(self, read: Read, package: str) -> None:
        layer = QgsVectorLayer(f"{package}|layername=second", "second")
        QgsProject.instance().addMapLayer(layer)
        layer.setSubsetString('"class" = 1')
        assert coordinates(read(VEC=layer)["vec"]) == [21]
        layer.setSubsetString("")
        layer.selectByExpression('"class" = 0')
        assert coordinates(read(VEC=QgsProcessingFeatureSourceDefinition(layer.id(), True))["vec"]) == [20]
        assert layer.startEditing()
        assert layer.deleteSelectedFeatures()
        assert coordinates(read(VEC=layer)["vec"]) == [21]

    def test_checking_exports_nothing(self, reader: Callable[..., Reader]) -> None:
        assert reader(VEC=points()).inputs() == {"vec": "pts"}

    def test_a_raster_layer_is_refused(self, read: Read, make_raster: Callable[[str], str]) -> None:
        with pytest.raises(ParameterError, match="VEC is the layer 'r', but must be a vector layer"):
            read(VEC=QgsRasterLayer(make_raster("a.tif"), "r"))

    def test_field(self, read: Read) -> None:
        assert read(FIELD="class") == read(FIELD=["class"]) == {"field": "class"}


class TestExtents:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("0,10.5,-3,1e3", "0,10.5,-3,1e3"),
            ("0,1,2,3 [EPSG:4326]", "0,1,2,3 [EPSG:4326]"),
            (QgsReferencedRectangle(QgsRectangle(0, 2, 1, 3), QgsCoordinateReferenceSystem("EPSG:32654")), None),
        ],
    )
    def test_texts_and_rectangles(self, read: Read, value: Any, expected: str | None) -> None:
        assert read(EXTENT=value) == {"extent": expected or "0.0,1.0,2.0,3.0 [EPSG:32654]"}

    def test_a_layer_stands_for_its_extent(self, read: Read, make_raster: Callable[[str], str]) -> None:
        layer = QgsRasterLayer(make_raster("a.tif"), "image")
        QgsProject.instance().addMapLayer(layer)
        assert read(EXTENT=layer.id()) == {"extent": "1000.0,1080.0,1940.0,2000.0 [EPSG:32654]"}

    @pytest.mark.parametrize("value", ["hello", "1,2,3", "1,2,3,x"])
    def test_no_extent(self, read: Read, value: str) -> None:
        with pytest.raises(ParameterError, match="EXTENT is .*, but must be xmin,xmax,ymin,ymax"):
            read(EXTENT=value)


class TestDestinations:
    def test_paths(self, reader: Callable[..., Reader], tmp_path: Path) -> None:
        out = {"OUT": "o.tif", "OUTVEC": "o.gpkg", "OUTFILE": "o.txt", "OUTDIR": "o"}
        given_paths = {name: str(tmp_path / path) for name, path in out.items()}
        expected = {name.lower(): path for name, path in given_paths.items()}
        assert reader(**given_paths).destinations(resolve=True) == expected

    def test_temporary_ones_are_made_up(self, reader: Callable[..., Reader]) -> None:
        names = ("OUT", "OUTVEC", "OUTFILE", "OUTDIR")
        found = reader(**dict.fromkeys(names, "TEMPORARY_OUTPUT")).destinations(resolve=True)
        assert [Path(found[name.lower()]).suffix for name in names] == [".tif", ".gpkg", ".txt", ""]
        assert all(Path(path).is_absolute() for path in found.values())

    def test_what_is_not_asked_for_is_not_made(self, reader: Callable[..., Reader]) -> None:
        assert reader(OUT=None, OUTFILE="", OUTVEC=NULL).destinations(resolve=True) == {}

    def test_layers_are_loaded_on_completion(
        self, reader: Callable[..., Reader], context: QgsProcessingContext, tmp_path: Path
    ) -> None:
        path = str(tmp_path / "o.tif")
        definition = QgsProcessingOutputLayerDefinition(path, QgsProject.instance())
        assert reader(OUT=definition).destinations(resolve=False) == {"out": path}
        assert not context.willLoadLayerOnCompletion(path)
        assert reader(OUT=definition).destinations(resolve=True) == {"out": path}
        assert context.willLoadLayerOnCompletion(path)

    @pytest.mark.parametrize("value", ["memory:", "ogr:dbname='x.gpkg' table=\"t\"", "postgis:dbname=x"])
    def test_databases_are_refused(self, reader: Callable[..., Reader], value: str) -> None:
        with pytest.raises(ParameterError, match="OUTVEC is .* must be a file"):
            reader(OUTVEC=value).destinations(resolve=False)

    def test_unknown_vector_format(self, reader: Callable[..., Reader]) -> None:
        with pytest.raises(ParameterError, match="OUTVEC is 'o.docx': "):
            reader(OUTVEC="o.docx").destinations(resolve=False)

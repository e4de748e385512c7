"""Inputs for every operation, in one folder with all that may lie beside them."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import serving
import training_scene
from osgeo import gdal, ogr, osr

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress

ROWS, COLUMNS = 40, 48
LEFT, TOP, SPACING = 500_000.0, 4_800_000.0, 10.0
CLASSES = (1, 2)

State = dict[str, tuple[Any, ...]]


def state(folder: Path) -> State:
    """What can be seen of a folder: names, bytes, times of change and permissions of all that is in it, and its own."""
    found: State = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        status = path.lstat()
        content = hashlib.sha1(path.read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else ""
        found[str(path.relative_to(folder))] = (status.st_mtime_ns, oct(status.st_mode), status.st_size, content)
    return found


def changes(before: State, after: State) -> dict[str, str]:
    """What differs, in words."""
    told = dict.fromkeys(after.keys() - before.keys(), "new")
    told.update(dict.fromkeys(before.keys() - after.keys(), "gone"))
    told.update({name: "changed" for name in before.keys() & after.keys() if before[name] != after[name]})
    return told


# ------------------------------------------------------------------- inputs


def system() -> osr.SpatialReference:
    """The coordinate system of all inputs."""
    found = osr.SpatialReference()
    found.ImportFromEPSG(32631)
    found.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return found


def classes() -> np.ndarray:
    """The class of each pixel: the left half is 1, the right half 2."""
    return np.where(np.arange(COLUMNS) < COLUMNS // 2, *CLASSES)[None].repeat(ROWS, 0).astype("uint8")


def pixels() -> np.ndarray:
    """An image of three bands that tells the classes apart; uint16."""
    noise = np.random.default_rng(0).integers(1, 60, (ROWS, COLUMNS, 3))
    return (noise + 100 * classes()[..., None]).astype("uint16")


def raster(path: Path, array: np.ndarray, driver: str = "GTiff", step: int = 1, nodata: float | None = None) -> str:
    """Write an array of shape (rows, columns[, bands]); `step` is how many pixels of the image a pixel is wide."""
    bands = np.atleast_3d(array)
    height, width, count = bands.shape
    made = gdal.GetDriverByName("MEM").Create("", width, height, count, serving.CODES[array.dtype.name])
    made.SetProjection(system().ExportToWkt())
    made.SetGeoTransform((LEFT, SPACING * step, 0, TOP, 0, -SPACING * step))
    for number in range(count):
        made.GetRasterBand(number + 1).WriteArray(np.ascontiguousarray(bands[..., number]))
        if nodata is not None:
            made.GetRasterBand(number + 1).SetNoDataValue(nodata)
    copy = gdal.GetDriverByName(driver).CreateCopy(str(path), made)
    copy.FlushCache()
    return str(path)


def square(column: int, row: int, side: int) -> str:
    """A square in pixels of the image, as WKT on the map."""
    x, y = LEFT + SPACING * column, TOP - SPACING * row
    far_x, far_y = x + SPACING * side, y - SPACING * side
    return f"POLYGON(({x} {y},{far_x} {y},{far_x} {far_y},{x} {far_y},{x} {y}))"


def points() -> list[tuple[str, int]]:
    """Points in the middle of pixels, and their classes."""
    places = [(column, row) for row in range(6, ROWS - 6, 5) for column in range(6, COLUMNS - 6, 5)]
    return [
        (f"POINT({LEFT + SPACING * (c + 0.5)} {TOP - SPACING * (r + 0.5)})", int(classes()[r, c])) for c, r in places
    ]


def polygons() -> list[tuple[str, int]]:
    """Squares of 8 pixels in both halves, and their classes."""
    return [(square(c, r, 8), int(classes()[r, c])) for c in (3, 13, 27, 37) for r in (4, 16, 28)]


def layer(path: Path, driver: str, features: list[tuple[str, int]], options: tuple[str, ...] = ()) -> str:
    """Write features with the fields `class` and, for classifiers, `value_0`, `value_1` and `value_2`."""
    dataset = gdal.GetDriverByName(driver).Create(str(path), 0, 0, 0, gdal.GDT_Unknown)
    kind = ogr.CreateGeometryFromWkt(features[0][0]).GetGeometryType()
    made = dataset.CreateLayer(path.stem, system(), kind, list(options))
    made.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
    for number in range(3):
        made.CreateField(ogr.FieldDefn(f"value_{number}", ogr.OFTReal))
    for row, (wkt, label) in enumerate(features):
        feature = ogr.Feature(made.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkt(wkt))
        feature["class"] = label
        for number in range(3):
            feature[f"value_{number}"] = 10.0 * label + row % 3 + number
        made.CreateFeature(feature)
    dataset.FlushCache()
    return str(path)


@dataclass
class Scene:
    """Inputs on the disk.

    Attributes:
        folder: where they lie.
        outputs: where operations write; may be the same folder.
        asked: names of the outputs so far.
    """

    folder: Path
    outputs: Path
    asked: list[str] = field(default_factory=list)

    def path(self, name: str) -> str:
        """Return the path of an input."""
        return str(self.folder / name)

    def out(self, name: str) -> str:
        """Return a path to write to."""
        self.asked.append(name)
        return str(self.outputs / name)

    def make(self) -> None:
        """Write all inputs."""
        self.folder.mkdir(parents=True)
        self.outputs.mkdir(parents=True)
        self._make_rasters()
        self._make_layers()
        self._make_texts()
        self._make_models()
        self._make_patches()

    def _make_rasters(self) -> None:
        for name, driver in (("image.tif", "GTiff"), ("image.png", "PNG"), ("image.img", "HFA"), ("image.dat", "ENVI")):
            raster(self.folder / name, pixels(), driver)
        gdal.Translate(self.path("image.vrt"), gdal.Open(self.path("image.tif")), format="VRT").FlushCache()
        for name, driver in (("image.jpg", "JPEG"), ("image.gpkg", "GPKG"), ("image.nc", "netCDF")):
            raster(self.folder / name, pixels().astype("uint8"), driver)
        raster(self.folder / "labels.tif", classes(), nodata=0)
        raster(self.folder / "labels.png", classes(), "PNG")
        raster(self.folder / "labels_20m.tif", classes()[::2, ::2].copy(), step=2, nodata=0)
        raster(self.folder / "mask.tif", np.ones((ROWS, COLUMNS), "uint8"))
        raster(self.folder / "map.tif", classes())
        self._give_companions()

    def _give_companions(self) -> None:
        """Overviews, statistics, masks and what else GDAL and QGIS put beside rasters."""
        gdal.Open(self.path("image.tif")).BuildOverviews("NEAREST", [2])
        labels, image = gdal.Open(self.path("labels_20m.tif")), gdal.Open(self.path("image.img"))
        labels.GetRasterBand(1).ComputeStatistics(False)
        image.GetRasterBand(1).GetDefaultHistogram(force=True)
        (self.folder / "image.qmd").write_text("<qgis/>")
        legend = {"classes": [{"value": 1, "name": "water", "color": "#0000ff"}, {"value": 2, "name": "wood"}]}
        for name in ("labels.tif", "map.tif", "polygons.shp"):
            (self.folder / f"{name}.json").write_text(json.dumps(legend))

    def _make_layers(self) -> None:
        for name, driver in (("gpkg", "GPKG"), ("shp", "ESRI Shapefile"), ("geojson", "GeoJSON"), ("gml", "GML")):
            layer(self.folder / f"polygons.{name}", driver, polygons())
            layer(self.folder / f"points.{name}", driver, points())
        (self.folder / "points.xsd").unlink()  # without its schema, GDAL would write down what it found of the file
        layer(self.folder / "points.csv", "CSV", points(), ("GEOMETRY=AS_WKT", "CREATE_CSVT=YES"))
        shapefile = gdal.OpenEx(self.path("polygons.shp"), gdal.OF_VECTOR | gdal.OF_UPDATE)
        shapefile.ExecuteSQL("CREATE SPATIAL INDEX ON polygons")
        shapefile.GetLayer(0).DeleteFeature(0)  # not repacked: it stays in the file

    def _make_texts(self) -> None:
        (self.folder / "rates.csv").write_text("1,5\n2,5\n")
        (self.folder / "rows.csv").write_text("IL\nimage.tif\n")
        (self.folder / "matrix.csv").write_text("labels,1,2\n1,5,1\n2,2,7\n")
        (self.folder / "scenes.csv").write_text("name,in,held_back\nagain,image.img,yes\n")
        (self.folder / "deep_scenes.csv").write_text("name,source1_il\nagain,image.img\n")
        for name, count in (("imstat.xml", 3), ("features.xml", 2)):  # of the image's bands, and of a model's outputs
            values = '<StatisticVector value="100"/>' * count
            parts = [f'<Statistic name="{what}">{values}</Statistic>' for what in ("mean", "stddev")]
            (self.folder / name).write_text(f"<FeatureStatistics>{''.join(parts)}</FeatureStatistics>")
        certificates = self.folder / "certificates"
        certificates.mkdir()
        for name in ("ca.pem", "cert.pem", "key.pem"):
            (certificates / name).write_text("none that is valid\n")
        logs = self.folder / "logs" / "run"
        logs.mkdir(parents=True)
        (logs / "events.out.tfevents.1700000000.here").touch()

    def _make_models(self) -> None:
        import detectors
        import keras

        training_scene.pixelwise(self.folder / "net.keras", bands=2)
        training_scene.classifier(self.folder / "small.keras", classes=2)
        keras.models.load_model(self.path("net.keras")).export(self.path("saved"), verbose=False)
        keras.models.load_model(self.path("small.keras")).save_weights(self.path("small.weights.h5"))
        detectors.yolo_grid(self.folder / "detector.onnx", gain=1e-6)
        (self.folder / "saved" / "notes.txt").write_text("ours")
        run("DescribeModel", {"model.dir": self.path("saved"), "sidecar": True})

    def _make_patches(self) -> None:
        image = {"source1.il": [self.path("image.tif")], "source1.patchsizex": 8, "source1.patchsizey": 8}
        where = {"vec": self.path("points.gpkg"), "field": "class"}
        outs = {"source1.out": self.path("patches.tif"), "outlabels": self.path("patch_labels.tif")}
        run("PatchesExtraction", {**image, **where, **outs})
        run("PatchesExtraction", {**image, **where, "out.tfrecords": self.path("records")})
        polygons_ = {"in": self.path("image.tif"), "vec": self.path("polygons.gpkg"), "field": "class"}
        run("PolygonClassStatistics", {**polygons_, "out": self.path("counts.xml")})
        fields = {"feat": "value_0 value_1 value_2", "cfield": "class", "classifier": "rf", "rand": 1}
        forest = {**fields, "classifier.rf.nbtrees": 2}
        run(
            "TrainVectorClassifier",
            {**forest, "io.vd": [self.path("points.gpkg")], "io.out": self.path("forest.skops")},
        )
        deep = {
            "source1.il": [self.path("image.tif")],
            "model.dir": self.path("net.keras"),
            "vd": self.path("polygons.gpkg"),
        }
        chosen = {"classifier": "rf", "classifier.rf.nbtrees": 2, "rand": 1, "sample.vfn": "class"}
        run("TrainClassifierFromDeepFeatures", {**deep, **chosen, "out": self.path("deep.skops")})
        run("TensorflowModelTrain", {**self.training(), "checkpoints": self.path("checkpoints")})

    def training(self) -> dict[str, Any]:
        """A short training on patches images."""
        return {
            "training.source1.il": [self.path("patches.tif")],
            "training.source2.il": [self.path("patch_labels.tif")],
            "training.source2.placeholder": "predictions",
            "training.batchsize": 16,
            "training.epochs": 1,
            "model.dir": self.path("small.keras"),
            "remap_labels": True,
            "out.keras": self.out("trained.keras"),
        }


def run(name: str, values: Mapping[str, Any], progress: Progress | None = None) -> dict[str, Any]:
    """Run an operation in this process."""
    return registry.run(name, values, progress or Progress())

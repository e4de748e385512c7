"""Parts on the workers of a Dask cluster, and on threads: the same pixels as a plain run, and an end by the rules."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import classifier_scene as scene
import detectors
import numpy as np
import pytest
import serving
import small_cluster
import small_models
from osgeo import gdal, ogr
from part_processes import ServingProcess, wait_for

from otbtf_qgis import core
from otbtf_qgis.core.base import ownership
from otbtf_qgis.core.errors import Cancelled, EngineError, OtbtfError, ParameterError

pytest.importorskip("tensorflow")
distributed = pytest.importorskip("distributed")

TILES = {"optim.tilesizex": 16, "optim.tilesizey": 16}
"""Parts begin at multiples of these: values are the same to the bit."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with small_cluster.dask_cluster() as found:
        yield found


@pytest.fixture(scope="module")
def address(cluster: Any) -> str:
    return str(cluster.scheduler_address)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    pixels = serving.noise(scene.HEIGHT, scene.WIDTH, 2, "uint16")
    pixels[5:25, 10:40] = 0
    serving.write(folder / "holes.tif", pixels, nodata=0)
    serving.write(folder / "image.tif", scene.pixels())
    serving.write(folder / "slow.tif", serving.noise(64, 32, 1, "float32"))
    serving.convolutions(folder / "two", 2)
    serving.convolutions(folder / "three", 3, outputs=3)
    serving.convolutions(folder / "twice", 2, widths=(5, 6))
    serving.save(
        folder / "sources",
        lambda a, b: {"y": a[..., :1] * 2.0 + b[..., 1:]},
        a=([None, None, None, 2], "float32"),
        b=([None, None, None, 3], "float32"),
    )
    calibrated(folder / "calibrated.keras")
    small_models.attention().save(folder / "attention.keras")
    mask = np.zeros((scene.HEIGHT, scene.WIDTH, 1), "uint8")
    mask[8:40, 12:50] = 1
    serving.write(folder / "mask.tif", mask)
    serving.slow(folder / "slow", 4)
    scene.train_pixels(folder)
    return folder


def calibrated(path: Path) -> None:
    """Save a network of three classes with a temperature, as a training with CALIBRATE does."""
    import keras

    from otbtf_qgis.core.models.temperaturelayer import TemperatureScaling

    image = keras.Input((None, None, 3), name="source1")
    probabilities = keras.layers.Conv2D(3, 3, activation="softmax")(image)
    scaled = TemperatureScaling(2.5, probabilities._keras_history.operation.name, name="predictions")(probabilities)
    keras.Model(image, scaled).save(path)


def model(folder: Path, name: str, *images: str, **more: Any) -> dict[str, Any]:
    """The values of a run of a model."""
    sources = {f"source{number}.il": [str(folder / image)] for number, image in enumerate(images, 1)}
    return {**sources, "model.dir": str(folder / name), **TILES, **{k.replace("__", "."): v for k, v in more.items()}}


SERVED = {
    "regions, padded, with holes": lambda f: model(f, "two", "holes.tif", padding="reflect"),
    "regions that crop": lambda f: model(f, "three", "image.tif"),
    "patches": lambda f: model(f, "three", "image.tif", model__fullyconv="off", source1__rfieldx=7, source1__rfieldy=7),
    "averages": lambda f: model(
        f,
        "two",
        "holes.tif",
        model__more=[str(f / "twice")],
        augment__serve="flips",
    ),
    "calibrated, under a mask": lambda f: model(
        f, "calibrated.keras", "image.tif", mask=str(f / "mask.tif"), out__nodata=-1
    ),
    "windows of a fixed context": lambda f: model(f, "attention.keras", "image.tif", model__context=16),
    "two sources with holes": lambda f: model(f, "sources", "holes.tif", "image.tif", out__nodata=-1),
}


def run(values: dict[str, Any], out: Path, name: str = "TensorflowModelServe", **more: Any) -> dict[str, Any]:
    log, cluster = more.pop("log", serving.Log()), more.pop("cluster", None)
    given = {**values, "out": str(out), **{key.replace("__", "."): value for key, value in more.items()}}
    return core.run(name, given, log, cluster=cluster)


def same(one: Path, two: Path) -> None:
    """Compare two rasters in all that a user sees of them."""
    np.testing.assert_array_equal(serving.read(one), serving.read(two))
    np.testing.assert_equal(serving.nodata_of(one), serving.nodata_of(two))  # which may be NaN
    first, second = gdal.Open(str(one)), gdal.Open(str(two))
    assert first.GetGeoTransform() == second.GetGeoTransform() and first.GetProjection() == second.GetProjection()
    assert first.GetRasterBand(1).DataType == second.GetRasterBand(1).DataType


def names_of(path: Path) -> Any:
    """Return the names of a map's classes."""
    dataset = gdal.Open(str(path))  # a band does not outlive it
    return dataset.GetRasterBand(1).GetCategoryNames()


# ------------------------------------------------------------------ the same pixels


@pytest.mark.parametrize("case", SERVED)
def test_serve(folder: Path, address: str, tmp_path: Path, case: str) -> None:
    values = SERVED[case](folder)
    whole = run(values, tmp_path / "whole.tif")
    found = run(values, tmp_path / "map.vrt", cluster=address, cluster__partsize=32)
    assert (found["parts.done"], found["parts.missing"]) == (4, 0)
    assert found["pixels_nodata"] == whole["pixels_nodata"]
    same(tmp_path / "map.vrt", tmp_path / "whole.tif")


def test_certainty(folder: Path, address: str, tmp_path: Path) -> None:
    """Of a calibrated network; each raster is that of a plain run."""
    values = model(folder, "calibrated.keras", "image.tif")
    outs = "confidence", "entropy", "margin", "probabilities"
    run(values, tmp_path / "whole.tif", **{f"out__{name}": str(tmp_path / f"whole_{name}.tif") for name in outs})
    own = {f"out__{name}": str(tmp_path / f"map_{name}.vrt") for name in outs}
    run(values, tmp_path / "map.vrt", cluster=address, cluster__partsize=32, **own)
    for name in outs:
        same(tmp_path / f"map_{name}.vrt", tmp_path / f"whole_{name}.tif")


@pytest.mark.parametrize("kind", ["file", "virtual raster of no file"])
def test_open_datasets(folder: Path, address: str, tmp_path: Path, kind: str) -> None:
    """Each worker opens them anew; GDAL writes their XML in another way once it has read them."""
    dataset: Any = str(folder / "holes.tif")
    if kind != "file":
        made = gdal.Translate("", dataset, format="VRT", scaleParams=[[0, 1, 0, 3]], outputType=gdal.GDT_Float32)
        dataset = made.GetMetadata("xml:VRT")[0].replace("<NODATA>0<", "<NODATA>0.0<")
    dataset = gdal.Open(dataset)
    values = {**model(folder, "two", padding="reflect"), "source1.il": [dataset]}
    run(values, tmp_path / "whole.tif")
    run(values, tmp_path / "map.vrt", part="0/2")
    dataset.ReadAsArray()
    run(values, tmp_path / "map.vrt", cluster=address)
    same(tmp_path / "map.vrt", tmp_path / "whole.tif")


def classifiers(folder: Path) -> dict[str, dict[str, Any]]:
    forest = str(next(folder.glob("*.skops")))
    image = str(folder / "image.tif")
    return {
        "ImageClassifier": {"in": image, "model": forest, "nodata": 600},
        "ImageClassifierFromDeepFeatures": {
            "source1.il": [image],
            "deepmodel.dir": str(folder / "three"),
            "model": forest,
            **TILES,
        },
    }


@pytest.mark.parametrize("name", ["ImageClassifier", "ImageClassifierFromDeepFeatures"])
def test_classifiers(folder: Path, address: str, tmp_path: Path, name: str) -> None:
    """Both maps, as virtual rasters by workers, in one file by threads of this process, and by runs of PART."""
    values = classifiers(folder)[name]
    whole = run(values, tmp_path / "whole.tif", name, confmap=str(tmp_path / "sure.tif"))
    for kind, end in (("dask", "vrt"), ("threads", "tif"), ("parts", "vrt")):
        out, sure = tmp_path / f"map-{kind}.{end}", tmp_path / f"sure-{kind}.{end}"
        maps = {"name": name, "confmap": str(sure)}
        if kind == "parts":
            run(values, out, **maps, part="1/2")
            found = run(values, out, **maps, part="0/2")
        elif kind == "threads":
            with ThreadPoolExecutor(2) as executor:
                found = run(values, out, **maps, cluster=executor, cluster__partsize=48)
        else:
            found = run(values, out, **maps, cluster=address, cluster__partsize=48)
        assert found["parts.missing"] == 0 and found["classes"] == whole["classes"]
        same(out, tmp_path / "whole.tif")
        same(sure, tmp_path / "sure.tif")
        assert names_of(out) == names_of(tmp_path / "whole.tif")


def test_a_series_with_gaps(folder: Path, address: str, tmp_path: Path) -> None:
    """The network fills gaps up to half of the dates; what lacks more is no-data, wherever parts and tiles meet."""
    from otbtf_qgis.core.templates.catalogue import create

    series = serving.noise(40, 44, 4, "float32")
    gaps = np.random.default_rng(1).random(series.shape) < 0.45
    series[gaps] = -1
    image = serving.write(tmp_path / "series.tif", series)
    network = create("tempcnn", bands=(4,), classes=2, times=((0.0, 10.0, 20.0, 30.0),), nodata=-1.0)
    network.save(tmp_path / "tempcnn.keras")
    values = {"source1.il": [image], "source1.nodata": -1, "nodata_rule": "0.5", "output.bv": -9, **TILES}
    values["model.dir"] = str(tmp_path / "tempcnn.keras")
    run(values, tmp_path / "whole.tif")
    background = (serving.read(tmp_path / "whole.tif") == -9).all(axis=2)
    np.testing.assert_array_equal(background, gaps.sum(axis=2) > 2)
    run(values, tmp_path / "shared.vrt", cluster=address, cluster__partsize=32)
    for part in ("0/2", "1/2"):
        run(values, tmp_path / "parts.vrt", part=part)
    run(values, tmp_path / "parts.tif", resume=True)
    for name in ("shared.vrt", "parts.vrt", "parts.tif"):
        same(tmp_path / name, tmp_path / "whole.tif")


def test_objects(address: str, tmp_path: Path) -> None:
    """The layer is that of one run; workers open a dataset of a script anew."""
    image, _ = detectors.drawn_discs(400, 60, (4, 23))
    dataset = gdal.Open(detectors.scene(tmp_path / "discs.tif", image + np.float32(0.25)))
    values = {"il": [dataset], "model.dir": detectors.segments_detector(tmp_path, masks=True), "tilesize": 96}
    values |= {"overlap": 10, "geometry": "outlines"}
    logs, layers = [serving.Log(), serving.Log()], []
    run(values, tmp_path / "whole.gpkg", "DetectObjects", log=logs[0])
    found = run(values, tmp_path / "objects.gpkg", "DetectObjects", log=logs[1], cluster=address, cluster__partsize=130)
    assert (found["parts.done"], found["parts.missing"]) == (9, 0) and not (tmp_path / "objects.parts").exists()
    for name in ("whole", "objects"):
        layer = ogr.Open(str(tmp_path / f"{name}.gpkg"))
        layers.append([(each.ExportToJson(), bytes(each.GetGeometryRef().ExportToWkb())) for each in layer.GetLayer(0)])
    assert layers[0] == layers[1] and len(layers[0]) == found["objects"] >= 60
    assert logs[0].warnings == logs[1].warnings and len(logs[0].warnings) == 2


def test_other_maps_are_other_parts(folder: Path, tmp_path: Path) -> None:
    values = classifiers(folder)["ImageClassifier"]
    run(values, tmp_path / "map.vrt", "ImageClassifier", part="0/2")
    with pytest.raises(ParameterError, match=r"CONFMAP \(there nothing, here made\)"):
        run(values, tmp_path / "map.vrt", "ImageClassifier", part="1/2", confmap=str(tmp_path / "sure.vrt"))
    with pytest.raises(
        ParameterError, match=r"OUT is .* and CONFMAP is .*, but in parts both must be a .vrt, or neither"
    ):
        run(values, tmp_path / "map.vrt", "ImageClassifier", resume=True, confmap=str(tmp_path / "sure.tif"))


@pytest.mark.parametrize("form", ["GTiff", "COG"])
def test_one_file_of_all_parts(folder: Path, address: str, tmp_path: Path, form: str) -> None:
    """It is written while parts arrive; these go, unless a virtual raster refers to them."""
    values = SERVED["regions, padded, with holes"](folder)
    run(values, tmp_path / "whole.tif")
    run(values, tmp_path / "map.tif", cluster=address, cluster__partsize=32, out__format=form)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.tif", "whole.tif"]
    same(tmp_path / "map.tif", tmp_path / "whole.tif")
    run(values, tmp_path / "map.vrt", cluster=address, cluster__partsize=32)
    run(values, tmp_path / "map.tif", cluster=address, cluster__partsize=32)
    same(tmp_path / "map.vrt", tmp_path / "whole.tif")


# ------------------------------------------------------------------ how it ends


def slow(folder: Path) -> dict[str, Any]:
    tiles = {name.replace("_", ".", 1): value for name, value in serving.SLOW.items()}
    tiles["optim.tilesizey"] = 4
    return {"source1.il": [str(folder / "slow.tif")], "model.dir": str(folder / "slow"), **tiles}


class Doing(serving.Log):
    """Does something once when the first part is done."""

    def __init__(self, parts: Path, action: Any) -> None:
        super().__init__()
        self._parts, self._action, self.stopped = parts, action, False

    def fraction(self, done: float) -> None:
        super().fraction(done)
        if self._action and list(self._parts.glob("part-*.json")):
            action, self._action = self._action, None
            action(self)

    def cancelled(self) -> bool:
        return self.stopped


@pytest.mark.parametrize("kind", ["dask", "threads"])
def test_cancelled_and_resumed(folder: Path, address: str, tmp_path: Path, kind: str) -> None:
    """What a worker has left that died in the meantime goes, too."""
    parts = tmp_path / "map.parts"
    dead = subprocess.Popen(["true"])
    dead.wait()

    def stop(log: Doing) -> None:
        (parts / ownership.planned_name().replace(f"-{os.getpid()}-", f"-{dead.pid}-")).mkdir()
        log.stopped = True

    log = Doing(parts, stop)
    with ThreadPoolExecutor(2) as executor:
        given = address if kind == "dask" else executor
        with pytest.raises(Cancelled):
            run(slow(folder), tmp_path / "map.vrt", cluster=given, cluster__partsize=16, log=log)
    assert serving.hidden(parts) == serving.hidden(tmp_path) == []
    done = {path: path.stat().st_mtime_ns for path in parts.glob("part-*.tif") if path.with_suffix(".json").exists()}
    assert 0 < len(done) < 8
    run(slow(folder), tmp_path / "map.vrt", resume=True)
    assert all(path.stat().st_mtime_ns == time for path, time in done.items())
    np.testing.assert_array_equal(serving.read(tmp_path / "map.vrt"), serving.read(folder / "slow.tif"))


def test_the_driver_is_killed(folder: Path, address: str, tmp_path: Path) -> None:
    """One without TensorFlow is soon under way."""
    parts, name = tmp_path / "map.parts", "ImageClassifier"
    image = serving.write(tmp_path / "image.tif", np.tile(scene.pixels(), (2, 4, 1)))
    values = {**classifiers(folder)[name], "in": image, "nodata": None}
    run(values, tmp_path / "whole.tif", name)
    values = {**values, "out": str(tmp_path / "map.vrt"), "cluster": address}
    with ServingProcess() as driver:
        driver.start(values, operation=name, **{"cluster.partsize": 16})
        try:
            wait_for(parts, "part-*.json", 200)
        except AssertionError:
            print(driver.answer())
            raise
        driver.kill()
    done = {path: path.stat().st_mtime_ns for path in parts.glob("part-*.json")}
    found = run(values, tmp_path / "map.vrt", name)
    assert found["parts.missing"] == 0 and 0 < len(done) < found["parts.done"] == 90
    assert all(path.stat().st_mtime_ns == time for path, time in done.items())
    same(tmp_path / "map.vrt", tmp_path / "whole.tif")
    assert serving.hidden(parts) == serving.hidden(tmp_path) == []


def damaged(path: Path) -> str:
    """An image of which one corner cannot be read."""
    pixels = serving.noise(640, 640, 2, "uint16")
    options = ["TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16", "COMPRESS=DEFLATE"]
    serving.write(path, pixels, options=options)
    dataset = gdal.Open(str(path))  # a band does not outlive it
    start = int(dataset.GetRasterBand(1).GetMetadataItem("BLOCK_OFFSET_39_39", "TIFF"))
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(b"\xff" * 40)
    return str(path)


@pytest.mark.parametrize("kind", ["dask", "threads"])
def test_a_part_fails(folder: Path, address: str, tmp_path: Path, kind: str) -> None:
    """The parts that ran beside it are kept."""
    values = {"source1.il": [damaged(tmp_path / "damaged.tif")], "model.dir": str(folder / "two"), "padding": "reflect"}
    told = r"Part 15 \(columns 480 to 639, rows 480 to 639\) failed.* What is done is kept: run again to go on"
    with ThreadPoolExecutor(2) as executor, pytest.raises(OtbtfError, match=told):
        given = address if kind == "dask" else executor
        run(values, tmp_path / "map.tif", cluster=given, cluster__partsize=160)
    assert len(list((tmp_path / "map.parts").glob("part-*.json"))) >= 10
    assert not (tmp_path / "map.tif").exists()
    assert serving.hidden(tmp_path / "map.parts") == serving.hidden(tmp_path) == []


# ------------------------------------------------------------------ refused before the first part


def test_parts_of_another_run(folder: Path, address: str, tmp_path: Path) -> None:
    values = SERVED["regions that crop"](folder)
    run(values, tmp_path / "map.vrt", part="0/2")
    with pytest.raises(ParameterError, match=r"parts of another run. What differs: OUT_NODATA"):
        run(values, tmp_path / "map.vrt", cluster=address, out__nodata=7)
    with pytest.raises(ParameterError, match=r"CLUSTER_PARTSIZE is 17, but the parts in .* have 32 x 42 outputs"):
        run(values, tmp_path / "map.vrt", cluster=address, cluster__partsize=17)


def test_a_worker_that_does_not_see_an_input(
    folder: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine where the folder is not mounted: under this path each process sees its own current folder."""
    monkeypatch.chdir(folder)
    values = {**model(folder, "three"), "source1.il": ["/proc/self/cwd/image.tif"]}
    with pytest.raises(OtbtfError, match=r"The worker \d \(tcp://.*\): .*/proc/self/cwd/image.tif"):
        run(values, tmp_path / "map.vrt", cluster=address)
    assert list((tmp_path / "map.parts").glob("part-*")) == []


def limit_memory(limit: int | None, dask_worker: Any = None) -> int | None:
    before: int | None = dask_worker.memory_manager.memory_limit
    dask_worker.memory_manager.memory_limit = limit
    return before


def test_workers_with_little_memory(folder: Path, address: str, tmp_path: Path) -> None:
    values = SERVED["regions that crop"](folder)
    with distributed.Client(address, set_as_default=False) as client:
        client.run(limit_memory, 1 << 30)
        with pytest.raises(
            EngineError, match=r"The worker \d .* may take 1024 MB of memory, but needs at least 2048 MB"
        ):
            run(values, tmp_path / "map.vrt", cluster=address)
        client.run(limit_memory, 3 << 30)
        with pytest.raises(
            ParameterError, match=r"MEMORY is 2000, but the worker \d .* may take 3072 MB.* at most 1872"
        ):
            run(values, tmp_path / "map.vrt", cluster=address, memory=2000)
        run(values, tmp_path / "map.vrt", cluster=address)
        assert f'"memory": {1872 << 20}' in (tmp_path / "map.parts" / "plan.json").read_text()
        client.run(limit_memory, None)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"part": "0/2"}, "PART and CLUSTER are both given"),
        ({"cluster": "local"}, "CLUSTER is 'local', but must be local:N"),
        ({"cluster": "http://host:1"}, "CLUSTER is 'http://host:1', but must be local:N"),
        ({"cluster": "", "cluster__partsize": 64}, "CLUSTER_PARTSIZE is given, but CLUSTER is empty"),
        ({"out": "/vsimem/map.vrt"}, "CLUSTER is given, but OUT is /vsimem/map.vrt"),
        ({"cluster__partsize": 4}, "CLUSTER_PARTSIZE is 4, but must be at least 16"),
    ],
)
def test_contradictions(folder: Path, tmp_path: Path, more: dict[str, Any], told: str) -> None:
    given = {"cluster": "local:2", "out": str(tmp_path / "map.vrt"), **more}
    values = {**SERVED["regions that crop"](folder), **{key.replace("__", "."): value for key, value in given.items()}}
    with pytest.raises(ParameterError, match=told):
        core.run("TensorflowModelServe", values, serving.Log())


# ------------------------------------------------------------------ last, since a new worker must begin anew


def test_a_worker_is_killed(folder: Path, cluster: Any, address: str, tmp_path: Path) -> None:
    def kill(log: Doing) -> None:
        with distributed.Client(address, set_as_default=False) as client:
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

    log = Doing(tmp_path / "map.parts", kill)
    found = run(slow(folder), tmp_path / "map.vrt", cluster=address, cluster__partsize=16, log=log)
    assert found["parts.missing"] == 0
    np.testing.assert_array_equal(serving.read(tmp_path / "map.vrt"), serving.read(folder / "slow.tif"))
    assert serving.hidden(tmp_path / "map.parts") == serving.hidden(tmp_path) == []

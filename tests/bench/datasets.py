"""Data sets: TFRecords against plain tf.data, streamed patches images against a loop, and a step that waits for data."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from osgeo import gdal
from timing import side_by_side

from otbtf_qgis.core.dataset import DatasetFromPatchesImages
from otbtf_qgis.core.records.recordwriting import Feature, RecordsWriter
from otbtf_qgis.core.tfrecords import TFRecords

BANDS = 4
MB = 1 << 20
EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "fcnn" / "network.py"


def bench_tfrecords(quick: bool, folder: Path) -> list[dict[str, Any]]:
    """One epoch of TFRecords.read, against tf.data.TFRecordDataset, the same parse, and batches of the same size.

    `speed` is that of the plain reading divided by the time taken: 0.8 is wanted at least.
    """
    return [row for case in _cases(quick) for row in _read_records(folder, *case, repeat=3 if quick else 15)]


def _read_records(folder: Path, size: int, count: int, batch: int, repeat: int) -> list[dict[str, Any]]:
    import tensorflow as tf

    records = TFRecords(_records(folder / f"records{size}", size, count))
    plain = tf.data.TFRecordDataset(sorted(map(str, Path(records.dirpath).glob("*.records"))))
    plain = plain.map(lambda record: records.parse_tfrecord(record, ["labels"]), num_parallel_calls=tf.data.AUTOTUNE)
    plain = plain.batch(batch, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    ours = records.read(batch, ["labels"])
    ways = {"tf.data.TFRecordDataset": lambda: _run_through(plain), "otbtf_qgis": lambda: _run_through(ours)}
    for way in ways.values():
        way()  # its functions are traced
    case = f"{count} patches of {size} x {size} x {BANDS} uint16, batches of {batch}"
    return _with_speed(side_by_side(case, ways, repeat))


def bench_streaming(quick: bool, folder: Path) -> list[dict[str, Any]]:
    """A first epoch of streamed patches images, against a loop that reads each patch with one call of GDAL.

    Both open the files, draw the order, and deliver (rows, columns, bands). As arrays, and as batches of tf.data, into
    which the loop gets by from_generator, as in OTBTF; with all of the file in GDAL's cache, and with an eighth of it.
    `speed` is that of the loop before it divided by the time taken: 3 is wanted at least.
    """
    rows = []
    cache = gdal.GetCacheMax()
    for size, count, batch in _cases(quick):
        files = _patches_images(folder, size, count)
        megabytes = Path(files["image"][0]).stat().st_size / MB
        for share, allowed in (("all", cache), ("an eighth", int(megabytes / 8 * MB))):
            gdal.SetCacheMax(allowed)
            case = f"{count} patches of {size} x {size} x {BANDS} uint16, {megabytes:.0f} MB, {share} in GDAL's cache"
            rows += _stream(files, batch, case)
        gdal.SetCacheMax(cache)
    return rows


def _stream(files: dict[str, list[str]], batch: int, case: str) -> list[dict[str, Any]]:
    arrays = {
        "loop, arrays": lambda: _run_through(_loop(files)),
        "otbtf_qgis, arrays": lambda: _run_through(_streamed(files)),
    }
    batches = {
        "loop, tf.data": lambda: _run_through(_loop_batches(files, batch)),
        "otbtf_qgis, tf.data": lambda: _run_through(_batches(files, batch)),
    }
    return _with_speed(side_by_side(case, arrays, 7)) + _with_speed(side_by_side(case, batches, 3))


def bench_waiting(quick: bool, folder: Path) -> list[dict[str, Any]]:
    """Epochs of training the example's network on patches of 64 x 64, in batches of 8: for what share do they wait?

    `asks` is the share of the time that asking for batches takes, that before the first included; `waits` is what
    asking for one that is ready does not take: less than 0.05 is wanted.
    """
    network = _network()
    size, count, batch = _cases(quick)[0]
    records = TFRecords(_records(folder / "records", size, count))
    files = _patches_images(folder, size, count)
    more = {"preprocessing_fn": network.as_samples}
    streamed, held = (DatasetFromPatchesImages(files, use_streaming) for use_streaming in (True, False))
    data = {
        "patches images, streamed": streamed.get_tf_dataset(batch, targets_keys=[network.COVER], **more),
        "patches images, in memory": held.get_tf_dataset(batch, targets_keys=[network.COVER], **more),
        "TFRecords, shuffled": records.read(batch, [network.COVER], shuffle_buffer_size=500, **more),
    }
    model = network.compiled(data["TFRecords, shuffled"].element_spec, 1e-3).model
    rows = []
    for who, batches in data.items():
        ready = batches.take(1).cache().repeat(40)
        _epoch(model, ready)  # its functions are traced
        least = float(np.median(_epoch(model, ready)[1]))
        seconds, asked = _epoch(model, batches)
        waited = max(0.0, sum(asked) - least * len(asked))
        row = {"case": f"{len(asked) - 1} steps", "who": who, "ms a step": 1e3 * seconds / (len(asked) - 1)}
        rows.append({**row, "asks": sum(asked) / seconds, "waits": waited / seconds})
    return rows


def _epoch(model: Any, batches: Any) -> tuple[float, list[float]]:
    """Train for an epoch; return the seconds it took, and for each batch those from asking for it until it came."""
    asked, started = [], time.perf_counter()
    batches = iter(batches)
    before = started
    while (given := next(batches, None)) is not None:
        asked.append(time.perf_counter() - before)
        model.train_on_batch(*given)
        before = time.perf_counter()
    ended = time.perf_counter()
    return ended - started, [*asked, ended - before]


def _network() -> ModuleType:
    specification = importlib.util.spec_from_file_location("network", EXAMPLE)
    assert specification is not None and specification.loader is not None
    network = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(network)
    return network


def _cases(quick: bool) -> Sequence[tuple[int, int, int]]:
    """Sides of patches, how many of them, and how many in a batch."""
    return [(64, 800, 8), (16, 8000, 32)] if quick else [(64, 4000, 8), (16, 20_000, 32)]


def _with_speed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "speed": 1 / row["ratio"]} for row in rows]


def _run_through(data: Any) -> None:
    for _ in data:
        pass


def _records(folder: Path, size: int, count: int) -> str:
    features = [
        Feature("image", (size, size, BANDS), np.dtype("uint16")),
        Feature("labels", (size, size, 1), np.dtype("uint8")),
    ]
    writer = RecordsWriter(folder, features, count)
    for start in range(0, count, 400):
        parts = {feature.name: _noise((min(400, count - start), *feature.shape), feature.dtype) for feature in features}
        writer.write(parts)
    writer.close()
    return str(folder)


def _patches_images(folder: Path, size: int, count: int) -> dict[str, list[str]]:
    """Write patches images as PatchesExtraction and OTB do: strips of 1 MB, pixel by pixel, not compressed."""
    files = {}
    for name, bands, dtype in (("image", BANDS, "uint16"), ("labels", 1, "uint8")):
        path = folder / f"{name}{size}.tif"
        rows = max(1, MB // (size * size * bands * np.dtype(dtype).itemsize)) * size
        kind = gdal.GDT_UInt16 if dtype == "uint16" else gdal.GDT_Byte
        options = ["TILED=NO", f"BLOCKYSIZE={rows}", "COMPRESS=NONE"]
        dataset = gdal.GetDriverByName("GTiff").Create(str(path), size, count * size, bands, kind, options)
        for start in range(0, count, 400):
            part = _noise((bands, min(400, count - start) * size, size), np.dtype(dtype))
            dataset.WriteArray(part if bands > 1 else part[0], 0, start * size)
        dataset = None
        files[name] = [str(path)]
    return files


def _noise(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 6, shape).astype(dtype)


def _loop(files: dict[str, list[str]]) -> Iterator[dict[str, np.ndarray]]:
    """Yield all samples in random order, each source of each by one call of GDAL."""
    images = {key: gdal.Open(names[0]) for key, names in files.items()}
    size = images["image"].RasterXSize
    for number in np.random.default_rng().permutation(images["image"].RasterYSize // size).tolist():
        read = {key: image.ReadAsArray(0, number * size, size, size) for key, image in images.items()}
        yield {
            key: np.moveaxis(pixels, 0, -1) if pixels.ndim == 3 else pixels[..., None] for key, pixels in read.items()
        }


def _loop_batches(files: dict[str, list[str]], batch: int) -> Any:
    import tensorflow as tf

    signature = DatasetFromPatchesImages(files, use_streaming=True).tf_dataset.element_spec
    samples = tf.data.Dataset.from_generator(lambda: _loop(files), output_signature=signature)
    return samples.batch(batch, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def _streamed(files: dict[str, list[str]]) -> Iterator[dict[str, np.ndarray]]:
    dataset = DatasetFromPatchesImages(files, use_streaming=True)
    return (dataset.read_one_sample() for _ in range(dataset.size))


def _batches(files: dict[str, list[str]], batch: int) -> Any:
    return DatasetFromPatchesImages(files, use_streaming=True).get_tf_dataset(batch)

"""Runs with inputs that are truncated, altered, or change while they are read.

What is wrong with an input must be said. A run that succeeds is judged by its output: it is that of the whole input,
or, where single bytes were altered, that of what GDAL itself reads without a complaint. A warning counts as said.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import changing
import files
import numpy as np
import outputs
import scene
import serving
from findings import Fault, Findings

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import EngineError, OtbtfError
from otbtf_qgis.engine.client import Engine

HUNG = 120.0
"""Seconds after which a run is stopped."""
DAMAGES = (files.truncated, files.emptied, files.altered)
WITHOUT_CHECKSUM = (".json", ".pb")
"""Of models and records: wrong bytes in them cannot be told."""

TEXT_HEADERS = (".hdr", ".xml", ".aux", ".prj")
"""Beside rasters: lines without a mark of their end, so that a position or a coordinate system that is missing after a
whole line cannot be told. Pixels are right, or refused, all the same."""

Pixels = np.ndarray


@dataclass(frozen=True)
class Case:
    """A run with a damaged input.

    Attributes:
        name: what was done to what.
        operation: its name.
        values: by OTBTF's keys, for a folder of outputs.
        right: tells from the folder of outputs whether they are right.
        damage: holds while the run lasts; made with the folder of outputs.
    """

    name: str
    operation: str
    values: Callable[[Path], Mapping[str, Any]]
    right: Callable[[Path], bool]
    damage: Callable[[Path], AbstractContextManager[None]]


def run(folder: Path, made: Mapping[str, Any], findings: Findings, seed: int, rounds: int) -> None:
    """Run all cases so many times, each time with other places of damage."""
    engine = Engine(lambda: Path(sys.executable))
    try:
        for number in range(rounds):
            choices = random.Random(f"{seed}/{number}")
            for cases in (rasters, vectors, models, records, changes):
                place = folder / f"{cases.__name__}-{number}"
                place.mkdir(parents=True)
                for case in cases(place, made, choices):
                    _attempt(engine, case, place / "out", findings)
                shutil.rmtree(place)
    finally:
        engine.stop()


# ------------------------------------------------------------------- the cases


def rasters(folder: Path, made: Mapping[str, Any], choices: random.Random) -> Iterator[Case]:
    """Yield rasters of many formats, served by a model that returns what it gets, and cut into patches."""
    pixels = serving.noise(150, 200, 3, "uint16")
    model = serving.pixelwise(folder / "same", lambda x: x, 3, "uint16")
    places = scene.scattered(400, 150, 200)
    points = scene.points(folder / "points.gpkg", 400, 150, 200)
    for name, path in files.rasters(folder, pixels):
        for part in files.parts(path.parent):
            for damage in DAMAGES:
                what = f"{name}: {part.name} {damage.__name__}"
                altered = damage is files.altered
                hurt = _damaged(part, damage, choices)
                yield Case(
                    f"{what}, served",
                    "TensorflowModelServe",
                    _serve(path, model),
                    _shows(None if altered else pixels, path),
                    hurt,
                )
                if not altered and part.suffix not in TEXT_HEADERS:  # a wrong origin, for one, cannot be told
                    right = _holds_patches(pixels, places)
                    yield Case(f"{what}, cut", "PatchesExtraction", _cut(path, points), right, hurt)


def vectors(folder: Path, made: Mapping[str, Any], choices: random.Random) -> Iterator[Case]:
    """Yield points of several formats, truncated, around which patches are cut."""
    pixels = serving.noise(150, 200, 3, "uint16")
    image = Path(serving.write(folder / "image.tif", pixels))
    places = scene.scattered(400, 150, 200)
    for path in files.vectors(folder, places):
        for part in files.parts(path):
            for damage in (files.truncated, files.emptied):
                name = f"points: {part.name} {damage.__name__}"
                right, hurt = _holds_patches(pixels, places), _damaged(part, damage, choices)
                yield Case(name, "PatchesExtraction", _cut(image, str(path)), right, hurt)


def models(folder: Path, made: Mapping[str, Any], choices: random.Random) -> Iterator[Case]:
    """Yield trained models of both formats, each of their files damaged."""
    image = Path(serving.write(folder / "image.tif", serving.noise(40, 50, 3, "uint16")))
    training = {"model.saveto": str(folder / "model"), "out.keras": str(folder / "net.keras")}
    registry.run("TensorflowModelTrain", {**_training(made), **training})
    for model in (folder / "model", folder / "net.keras"):
        (folder / "whole").mkdir(exist_ok=True)
        registry.run("TensorflowModelServe", _serve(image, str(model))(folder / "whole"))
        expected = serving.read(folder / "whole" / "map.tif")
        for part in files.parts(model):
            for damage in DAMAGES:
                if damage is files.altered and part.suffix in WITHOUT_CHECKSUM:
                    continue
                name = f"{model.name}: {part.name} {damage.__name__}"
                right, hurt = _shows(expected), _damaged(part, damage, choices)
                yield Case(name, "TensorflowModelServe", _serve(image, str(model)), right, hurt)


def records(folder: Path, made: Mapping[str, Any], choices: random.Random) -> Iterator[Case]:
    """Yield TFRecords, each file damaged, from which a network is trained."""
    place = folder / "records"
    shutil.copytree(made["records"], place)
    given = {"training.tfrecords": str(place), "model.dir": made["network"], "training.epochs": 1}
    for part in files.parts(place):
        for damage in DAMAGES:
            if damage is files.altered and part.suffix in WITHOUT_CHECKSUM:
                continue
            name = f"TFRecords: {part.name} {damage.__name__}"
            hurt = _damaged(part, damage, choices)
            yield Case(
                name,
                "TensorflowModelTrain",
                lambda out: {**given, "training.batchsize": 10, "out.keras": str(out / "net.keras")},
                lambda out: False,
                hurt,
            )


def changes(folder: Path, made: Mapping[str, Any], choices: random.Random) -> Iterator[Case]:
    """Yield rasters that are changed while a slow model is served on them."""
    slow = {key.replace("_", ".", 1): value for key, value in serving.SLOW.items()}
    path = folder / "image.tif"
    for manner in 3 * changing.MANNERS:
        yield Case(
            f"raster {manner.__name__} during the run",
            "TensorflowModelServe",
            lambda out: {**_serve(path, made["slow"])(out), **slow},
            changing.is_of_one_time,
            lambda out, manner=manner: changing.changing(path, out, manner, choices),
        )


def _training(made: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "training.source1.il": [made["patches"]],
        "training.source2.il": [made["labels"]],
        "model.dir": made["network"],
        "training.batchsize": 10,
        "training.epochs": 1,
    }


def _serve(image: Path, model: str) -> Callable[[Path], dict[str, Any]]:
    return lambda out: {"source1.il": [str(image)], "model.dir": model, "out": str(out / "map.tif")}


def _cut(image: Path, points: str) -> Callable[[Path], dict[str, Any]]:
    return lambda out: {
        "source1.il": [str(image)],
        "source1.patchsizex": scene.SIDE,
        "source1.patchsizey": scene.SIDE,
        "source1.out": str(out / "patches.tif"),
        "outlabels": str(out / "labels.tif"),
        "vec": points,
        "field": "class",
    }


def _damaged(
    part: Path, damage: files.Damage, choices: random.Random
) -> Callable[[Path], AbstractContextManager[None]]:
    return lambda out: files.damaged(part, damage, choices)


# ------------------------------------------------------------------ the outcome


def _shows(expected: Pixels | None, damaged: Path | None = None) -> Callable[[Path], bool]:
    """Return a test of whether the map holds these pixels; if None, those that GDAL reads from the damaged file."""

    def right(out: Path) -> bool:
        found = outputs.pixels(out / "map.tif")
        if expected is not None:
            return np.array_equal(found, np.moveaxis(expected, -1, 0).reshape(found.shape))
        try:
            return np.array_equal(found, outputs.pixels(damaged or ""))
        except RuntimeError:
            return False  # GDAL complains of what the run took

    return right


def _holds_patches(pixels: Pixels, places: list[tuple[float, float]]) -> Callable[[Path], bool]:
    """Return a test of whether the patches around these places were cut out of these pixels."""

    def right(out: Path) -> bool:
        found = outputs.pixels(out / "patches.tif")
        corners = [
            (
                int((scene.ORIGIN_Y - y) // scene.SIZE) - scene.SIDE // 2,
                int((x - scene.ORIGIN_X) // scene.SIZE) - scene.SIDE // 2,
            )
            for x, y in places
        ]
        cut = [pixels[top : top + scene.SIDE, left : left + scene.SIDE] for top, left in corners]
        return np.array_equal(found, np.moveaxis(np.concatenate(cut), -1, 0))

    return right


class _Log(Progress):
    """Hears warnings, and stops a run that does not end."""

    def __init__(self) -> None:
        self.warned, self.hung = False, False

    def warning(self, message: str) -> None:
        self.warned = True

    def cancelled(self) -> bool:
        return self.hung

    def give_up(self) -> None:
        """Count the run as hung."""
        self.hung = True


@contextlib.contextmanager
def _limited(log: _Log) -> Iterator[None]:
    timer = threading.Timer(HUNG, log.give_up)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _attempt(engine: Engine, case: Case, out: Path, findings: Findings) -> None:
    """Run a case and count what is wrong with its end."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    findings.ran(f"{case.operation} with a damaged or changing input")
    log = _Log()
    with case.damage(out):
        try:
            with _limited(log):
                engine.run(case.operation, case.values(out), log)
        except EngineError as error:
            findings.add(Fault.HUNG if log.hung else Fault.CRASHED, case.name, str(error))
        except OtbtfError as error:
            if "nternal error" in str(error):
                findings.add(Fault.UNEXPLAINED, case.name, str(error))
            if any(out.iterdir()):
                findings.add(Fault.LEFT_OVER, case.name, str([item.name for item in out.iterdir()]))
        else:
            if not log.warned and not case.right(out):
                findings.add(Fault.WRONG, case.name, "no error, no warning, another result")

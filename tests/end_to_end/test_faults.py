"""Runs that are stopped or broken in the middle: the final path stays as it was, and nobody is left behind."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import application
import psutil
import pytest
import serving

OLDER = b"an older output"
SOON = 10.0
"""Seconds for what takes two at most on a machine that is not busy."""


def wait_until(what: Callable[[], Any], seconds: float, message: str) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(message)


@dataclass
class Scene:
    """A slow run: its folder, what it is given, and the processes it has started."""

    folder: Path
    values: dict[str, Any]
    seen: list[psutil.Process] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.folder / "out.tif"

    @property
    def parameters(self) -> dict[str, Any]:
        return {name.upper(): value for name, value in self.values.items()}

    def await_middle(self, process: subprocess.Popen[str]) -> psutil.Process:
        """Wait until pixels are being written; return the engine."""

        def made() -> list[Path]:
            assert process.poll() is None, process.communicate()
            return [path for path in self.folder.glob(".otbtf-*/*") if path.stat().st_size]

        wait_until(made, 120, "the run did not begin")
        self.seen = psutil.Process(process.pid).children(recursive=True)
        engines = [child for child in self.seen if "--idle-minutes" in child.cmdline()]
        assert len(engines) == 1
        return engines[0]

    def check_nothing_happened(self) -> None:
        """No new output, the older one whole, no process and no hidden folder."""
        _, alive = psutil.wait_procs(self.seen, SOON)
        assert not alive
        assert self.out.read_bytes() == OLDER
        assert sorted(path.name for path in self.folder.iterdir()) == ["out.tif"]


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Values of a run of some 50 tiles that takes long enough to be stopped in the middle."""
    folder = tmp_path_factory.mktemp("slow")
    image = serving.write(folder / "image.tif", serving.noise(200, 64))
    return {"source1_il": image, "model_dir": serving.slow(folder / "model"), **serving.SLOW}


@pytest.fixture
def scene(slow: dict[str, Any], tmp_path: Path) -> Iterator[Scene]:
    folder = tmp_path / "outputs"
    folder.mkdir()
    scene = Scene(folder, {**slow, "out": str(folder / "out.tif")})
    scene.out.write_bytes(OLDER)
    yield scene
    for process in scene.seen:
        if process.is_running():
            process.kill()


def test_ctrl_c(qgis: Any, scene: Scene) -> None:
    process = qgis.start("otbtf:tensorflowmodelserve", scene.parameters)
    scene.await_middle(process)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    printed = "".join(process.communicate(timeout=60))
    assert time.monotonic() - start < SOON
    assert process.returncode != 0
    assert "Cancelled." in printed
    assert "Traceback" not in printed
    scene.check_nothing_happened()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_qgis_process(qgis: Any, scene: Scene, number: signal.Signals) -> None:
    process = qgis.start("otbtf:tensorflowmodelserve", scene.parameters)
    scene.await_middle(process)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == -number
    scene.check_nothing_happened()


def test_the_death_of_the_engine(qgis: Any, scene: Scene) -> None:
    process = qgis.start("otbtf:tensorflowmodelserve", scene.parameters)
    engine = scene.await_middle(process)
    engine.kill()
    printed = "".join(process.communicate(timeout=60))
    assert process.returncode not in (0, -signal.SIGSEGV)
    assert "SIGKILL" in printed
    assert "memory" in printed  # the likeliest reason, and what to do about it
    assert "Traceback" not in printed
    scene.check_nothing_happened()


def test_the_death_of_both_is_cleaned_up_by_the_next_run(qgis: Any, scene: Scene) -> None:
    process = qgis.start("otbtf:tensorflowmodelserve", scene.parameters)
    engine = scene.await_middle(process)
    engine.suspend()  # so that it cannot notice that qgis_process dies
    process.kill()
    engine.kill()
    process.communicate(timeout=60)
    psutil.wait_procs(scene.seen, SOON)
    assert len(serving.hidden(scene.folder)) == 1
    assert scene.out.read_bytes() == OLDER
    image = serving.noise(8, 8)
    serving.write(scene.folder.parent / "small.tif", image)
    serving.serve(**{**scene.values, "source1_il": str(scene.folder.parent / "small.tif")})
    assert sorted(path.name for path in scene.folder.iterdir()) == ["out.tif"]
    assert (serving.read(scene.out) == image).all()


BACKGROUND = """
from qgis.core import QgsProcessingAlgRunnerTask, QgsProcessingContext, QgsProcessingFeedback
from qgis.PyQt.QtCore import QCoreApplication
algorithm = QgsApplication.processingRegistry().createAlgorithmById("otbtf:tensorflowmodelserve")
context, feedback, ended = QgsProcessingContext(), QgsProcessingFeedback(), []
task = QgsProcessingAlgRunnerTask(algorithm, given, context, feedback)
task.executed.connect(lambda ok, results: ended.append(ok))
QgsApplication.taskManager().addTask(task)

def wait(condition):
    limit = time.monotonic() + 100
    while not condition() and time.monotonic() < limit:
        QCoreApplication.processEvents()
        time.sleep(0.02)

wait(lambda: task.progress() > 0)
print("in the middle:", 0 < task.progress() < 100)
start = time.monotonic()
task.cancel()
wait(lambda: ended)
print("succeeded:", ended, "soon:", time.monotonic() - start < 10)
print(feedback.textLog())
"""


def test_the_button_in_the_application(qgis: Any, scene: Scene) -> None:
    printed = application.run(qgis.environment, BACKGROUND, scene.parameters)
    assert "in the middle: True" in printed
    assert "succeeded: [False] soon: True" in printed
    assert "Cancelled." in printed
    scene.check_nothing_happened()

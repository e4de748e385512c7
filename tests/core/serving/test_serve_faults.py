"""What goes wrong while a map is being made: nothing new at its place, the older one whole, and a reason."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving

from otbtf_qgis.core.errors import Cancelled, RasterError

OLDER = b"an older output"
DISK = 1 << 20


@pytest.fixture(scope="module")
def same(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, str], str]:
    """Folders of pixel-wise models that return what they get, of so many bands and of a type."""
    folder = tmp_path_factory.mktemp("models")

    def make(bands: int, dtype: str) -> str:
        path = folder / f"{dtype}-{bands}"
        return str(path) if path.exists() else serving.pixelwise(path, lambda x: x, bands, dtype)

    return make


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize(
    ("name", "co"),
    [("out.tif", ""), ("out.tif", "COMPRESS=NONE"), ("out.img", ""), ("out.png", ""), ("cog.tif", "")],
)
@pytest.mark.parametrize("pixels", ["noise", "even"])
def test_a_full_disk(
    disk: Path, tmp_path: Path, same: Callable[[int, str], str], name: str, pixels: str, co: str
) -> None:
    image = serving.noise(1300, 1300) if pixels == "noise" else np.full((1300, 1300, 1), 7, np.uint8)
    out = disk / name
    out.write_bytes(OLDER)
    filler = disk / "filler"
    filler.write_bytes(bytes(DISK - 8192 if pixels == "even" else DISK // 2))
    with pytest.raises(RasterError) as caught:
        serving.serve(
            source1_il=serving.write(tmp_path / "image.tif", image),
            model_dir=same(1, "uint8"),
            out=str(out),
            out_co=co,
            out_format="COG" if name.startswith("cog") else "",
            optim_tilesizex=256,
        )
    message = str(caught.value)
    assert str(out) in message
    assert "free" in message.lower() or "space" in message.lower(), message
    assert out.read_bytes() == OLDER
    assert sorted(path.name for path in disk.iterdir()) == sorted(["filler", name])


def test_a_full_disk_while_floats_are_written(disk: Path, tmp_path: Path, same: Callable[[int, str], str]) -> None:
    image = serving.write(tmp_path / "image.tif", serving.noise(700, 700, dtype="float32"))
    with pytest.raises(RasterError, match="free"):
        serving.serve(source1_il=image, model_dir=same(1, "float32"), out=str(disk / "out.tif"))
    assert list(disk.iterdir()) == []


@pytest.mark.parametrize("options", [[], ["TILED=YES", "COMPRESS=DEFLATE"]])
def test_an_unreadable_tile(tmp_path: Path, same: Callable[[int, str], str], options: list[str]) -> None:
    """The end of the file is missing: its header can be read, the first tiles are served, the last are not."""
    path = tmp_path / "image.tif"
    serving.write(path, serving.noise(1024, 1024), options=options)
    path.write_bytes(path.read_bytes()[:-200_000])
    out = tmp_path / "out" / "out.tif"
    out.parent.mkdir()
    out.write_bytes(OLDER)
    log = serving.Log()
    with pytest.raises(RasterError, match="Cannot read") as caught:
        serving.serve(
            log,
            source1_il=str(path),
            model_dir=same(1, "uint8"),
            out=str(out),
            optim_tilesizex=1024,
            optim_tilesizey=64,
        )
    assert 0 < max(log.fractions) < 1
    for words in (str(path), "columns 0 to 1023, rows ", "damaged or incomplete"):
        assert words in str(caught.value)
    assert out.read_bytes() == OLDER
    assert serving.hidden(out.parent) == []


def test_a_cancel_in_the_middle(tmp_path: Path, same: Callable[[int, str], str]) -> None:
    class Stop(serving.Log):
        def cancelled(self) -> bool:
            return bool(self.fractions)

    stop = Stop()
    out = tmp_path / "out" / "out.tif"
    out.parent.mkdir()
    values: dict[str, Any] = {
        "source1_il": serving.write(tmp_path / "image.tif", serving.noise(1024, 64)),
        "model_dir": same(1, "uint8"),
        "out": str(out),
        "optim_tilesizex": 64,
        "optim_tilesizey": 8,
    }
    with pytest.raises(Cancelled):
        serving.serve(stop, **values)
    assert 1 <= len(stop.fractions) < 20  # of 128
    assert list(out.parent.iterdir()) == []


def test_a_cancel_while_the_output_is_copied(tmp_path: Path, same: Callable[[int, str], str]) -> None:
    class Stop(serving.Log):
        def cancelled(self) -> bool:
            return any("Copying" in message for message in self.infos)

    image = serving.write(tmp_path / "image.tif", serving.noise(600, 600))
    (tmp_path / "out").mkdir()
    with pytest.raises(Cancelled):
        serving.serve(Stop(), source1_il=image, model_dir=same(1, "uint8"), out=str(tmp_path / "out" / "a.png"))
    assert list((tmp_path / "out").iterdir()) == []

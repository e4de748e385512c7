"""Parts of one run: what is kept, what is refused, and what the whole is."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving
from osgeo import gdal, osr

pytest.importorskip("tensorflow")

from otbtf_qgis import core
from otbtf_qgis.core.errors import Cancelled, OtbtfError, ParameterError
from otbtf_qgis.core.parts.partidentity import differences
from otbtf_qgis.core.rasters.inmemory import Opened
from otbtf_qgis.core.registry import run


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Returns its two bands, as they are."""
    return serving.pixelwise(tmp_path_factory.mktemp("model") / "same", lambda x: x, 2, "int16")


@pytest.fixture
def values(tmp_path: Path, model: str) -> dict[str, Any]:
    image = serving.write(tmp_path / "image.tif", serving.noise(60, 80, 2, "int16"), nodata=-5)
    return {"source1.il": [image], "model.dir": model, "out": str(tmp_path / "map.vrt")}


def serve(values: dict[str, Any], log: serving.Log | None = None, **more: Any) -> dict[str, Any]:
    return run("TensorflowModelServe", {**values, **{k.replace("__", "."): v for k, v in more.items()}}, log)


def parts(tmp_path: Path) -> dict[str, int]:
    """The files of the parts, and when each was made."""
    return {path.name: path.stat().st_mtime_ns for path in sorted((tmp_path / "map.parts").glob("part-*.tif"))}


def halves(values: dict[str, Any], **more: Any) -> dict[str, Any]:
    serve(values, part="0/2", **more)
    return serve(values, part="1/2", **more)


# ------------------------------------------------------------------ results


def test_results_and_progress(values: dict[str, Any], tmp_path: Path) -> None:
    log = serving.Log()
    found = serve(values, log, part="1/2")
    assert (found["out"], found["parts.done"], found["parts.missing"]) == (None, 1, 1)
    assert not Path(values["out"]).exists()
    assert log.fractions == sorted(log.fractions) and log.fractions[-1] == 1.0
    assert "this run computes 1 of them; 0 are already done" in log.text and "1 of 2 parts is missing" in log.text
    found = serve(values, part="0/2")
    assert (found["out"], found["parts.done"], found["parts.missing"]) == (values["out"], 2, 0)
    assert (found["width"], found["height"], found["bands"]) == (80, 60, 2)
    np.testing.assert_array_equal(serving.read(values["out"]), serving.read(values["source1.il"][0]))
    assert serving.nodata_of(values["out"]) == 0
    notes = [json.loads(path.read_text()) for path in sorted((tmp_path / "map.parts").glob("part-*.json"))]
    assert [note["files"][0]["bytes"] for note in notes] == [
        (tmp_path / "map.parts" / name).stat().st_size for name in parts(tmp_path)
    ]


def test_the_number_of_pixels_without_data(values: dict[str, Any], tmp_path: Path) -> None:
    image = serving.noise(60, 80, 2, "int16")
    image[3:10, 5:30] = image[50:60, 60:80] = -5
    values["source1.il"] = [serving.write(tmp_path / "gaps.tif", image, nodata=-5)]
    assert "pixels_nodata" not in serve(values, part="0/2")
    assert serve(values, part="1/2")["pixels_nodata"] == 7 * 25 + 10 * 20
    assert serve(values, part="1/2")["pixels_nodata"] == 7 * 25 + 10 * 20  # by the notes alone


def test_more_runs_than_parts(values: dict[str, Any], tmp_path: Path) -> None:
    serve(values, part="0/2")
    log = serving.Log()
    found = serve(values, log, part="7/9")
    assert (found["parts.done"], found["parts.missing"]) == (1, 1)
    assert "this run computes 0 of them" in log.text


def test_what_is_done_is_not_computed_again(values: dict[str, Any], tmp_path: Path) -> None:
    halves(values)
    before, text = parts(tmp_path), Path(values["out"]).read_text()
    os.unlink(values["out"])
    halves(values)
    assert (parts(tmp_path), Path(values["out"]).read_text()) == (before, text)


@pytest.mark.parametrize("damage", ["shorter", "other bytes", "gone", "without a note"])
def test_resume_computes_what_is_damaged(values: dict[str, Any], tmp_path: Path, damage: str) -> None:
    halves(values)
    before, file = parts(tmp_path), tmp_path / "map.parts" / "part-00001.tif"
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    elif damage == "without a note":
        file.with_suffix(".json").write_text("{")
    else:
        content[-40] ^= 255
        file.write_bytes(content[:-5] if damage == "shorter" else content)
    os.unlink(values["out"])
    assert serve(values, resume=True)["parts.missing"] == 0
    assert parts(tmp_path)["part-00000.tif"] == before["part-00000.tif"]
    np.testing.assert_array_equal(serving.read(values["out"]), serving.read(values["source1.il"][0]))


@pytest.mark.parametrize("name", ["map.tif", "map.img", "map.cog"])
def test_resume_makes_any_format(values: dict[str, Any], tmp_path: Path, name: str) -> None:
    """Of parts that are there already, with creation options that are not those of the parts."""
    serve(values, part="0/2")
    values["out"] = str(tmp_path / name.replace(".cog", ".tif"))
    format_of = {"out.format": "COG"} if name.endswith(".cog") else {}
    options = {"out.co": "COMPRESS=LZW"} if name.endswith(".tif") else {}
    found = serve({**values, **format_of, **options}, resume=True)
    assert (found["parts.done"], found["parts.missing"]) == (2, 0)
    np.testing.assert_array_equal(serving.read(values["out"]), serving.read(values["source1.il"][0]))
    assert serving.nodata_of(values["out"]) == 0
    assert len(parts(tmp_path)) == 2


def test_resume_alone(values: dict[str, Any], tmp_path: Path) -> None:
    """A run that may be killed and run again."""
    values["out"] = str(tmp_path / "map.tif")
    log = serving.Log()
    serve(values, log, resume=True)
    np.testing.assert_array_equal(serving.read(values["out"]), serving.read(values["source1.il"][0]))
    assert log.fractions == sorted(log.fractions) and log.fractions[-1] == 1.0
    assert "still holds the parts" in log.text


def test_parts_of_a_box(values: dict[str, Any]) -> None:
    halves(values, out__box="7:9:50:40")
    found, whole = serving.read(values["out"]), serving.read(values["source1.il"][0])
    np.testing.assert_array_equal(found, whole[9:49, 7:57])
    assert gdal.Open(values["out"]).GetGeoTransform()[0] == serving.ORIGIN[0] + 70


def test_rows_from_the_south(values: dict[str, Any], tmp_path: Path) -> None:
    pixels = serving.noise(60, 80, 2, "int16")
    values["source1.il"] = [serving.write_at(tmp_path / "south.tif", pixels, south_up=True)]
    halves(values)
    np.testing.assert_array_equal(serving.read(values["out"]), pixels[::-1])
    serve({**values, "out": str(tmp_path / "map.tif")}, resume=True)
    np.testing.assert_array_equal(serving.read(tmp_path / "map.tif"), pixels[::-1])


def zipped(image: str, folder: Path) -> Path:
    with zipfile.ZipFile(folder / "image.zip", "w") as archive:
        archive.write(image, "image.tif")
    return folder / "image.zip"


@pytest.mark.parametrize("name", ["/vsizip/{zip}/image.tif", "/vsisubfile/0_{size},{image}"])
def test_other_file_systems(values: dict[str, Any], tmp_path: Path, name: str) -> None:
    image = values["source1.il"][0]
    archive = zipped(image, tmp_path)
    values["source1.il"] = [name.format(zip=archive, image=image, size=os.path.getsize(image))]
    halves(values)
    np.testing.assert_array_equal(serving.read(values["out"]), serving.read(image))


def test_another_image_in_an_archive(values: dict[str, Any], tmp_path: Path) -> None:
    image = values["source1.il"][0]
    source = {"source1.il": [f"/vsizip/{zipped(image, tmp_path)}/image.tif"]}
    serve({**values, **source}, part="0/2")
    os.utime(image, (1e9, 1e9))
    os.utime(zipped(image, tmp_path), (2e9, 2e9))  # GDAL remembers archives until they are newer
    with pytest.raises(ParameterError, match=r"SOURCE1_IL \(there image.tif of .* changed at .*, here image.tif of "):
        serve({**values, **source}, part="1/2")


def test_control_points(values: dict[str, Any], tmp_path: Path) -> None:
    """The parts have none; the whole has those of the image."""
    file = str(tmp_path / "points.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(file, 80, 60, 2, gdal.GDT_Int16)
    pixels = serving.noise(60, 80, 2, "int16")
    for band in (1, 2):
        dataset.GetRasterBand(band).WriteArray(pixels[..., band - 1])
    corners = [gdal.GCP(9.0 + x, 45.0 - y, 0.0, x * 80, y * 60) for x in (0, 1) for y in (0, 1)]
    system = osr.SpatialReference()
    system.ImportFromEPSG(4326)
    dataset.SetGCPs(corners, system.ExportToWkt())
    del dataset
    halves({**values, "source1.il": [file]})
    assert [point.GCPX for point in gdal.Open(values["out"]).GetGCPs()] == [point.GCPX for point in corners]
    np.testing.assert_array_equal(serving.read(values["out"]), pixels)


def test_cloud_optimized_parts(values: dict[str, Any], tmp_path: Path) -> None:
    halves(values, out__format="COG", out__co="COMPRESS=LZW")
    for name in parts(tmp_path):
        structure = gdal.Open(str(tmp_path / "map.parts" / name)).GetMetadata("IMAGE_STRUCTURE")
        assert (structure["LAYOUT"], structure["COMPRESSION"]) == ("COG", "LZW")
    np.testing.assert_array_equal(serving.read(values["out"]), serving.read(values["source1.il"][0]))


def test_overviews(values: dict[str, Any], tmp_path: Path) -> None:
    """Parts that are kept have them, and they are those of the whole; what they are copied into has them on request."""
    pixels = serving.noise(340, 1024, 2, "int16")
    values["source1.il"] = [serving.write(tmp_path / "large.tif", pixels)]
    halves(values)
    assert len(parts(tmp_path)) == 2
    for name in parts(tmp_path):
        part = gdal.Open(str(tmp_path / "map.parts" / name))
        assert (part.RasterXSize, part.RasterYSize) == (512, 340)
        assert part.GetRasterBand(1).GetOverviewCount() == 1
    for number, asked in enumerate((True, False)):
        out = str(tmp_path / f"copied{number}.tif")
        (tmp_path / f"copied{number}.parts").symlink_to(tmp_path / "map.parts")
        serve({**values, "out": out}, resume=True, out__overviews=asked)
        copied = gdal.Open(out)
        assert copied.GetRasterBand(2).GetOverviewCount() == (2 if asked else 0)
    found = [
        np.moveaxis(gdal.Open(str(tmp_path / name)).ReadAsArray(buf_xsize=512, buf_ysize=170), 0, -1)
        for name in ("map.vrt", "copied0.tif")
    ]
    np.testing.assert_array_equal(*found)
    fours = pixels.reshape(
        170, 2, 512, 2, 2
    )  # whole numbers may be classes, so that one of four pixels stands for them
    assert (fours == found[0][:, None, :, None]).any(axis=(1, 3)).all()


def test_the_counts_of_values_that_are_not_held(values: dict[str, Any], tmp_path: Path) -> None:
    values["source1.il"] = [serving.write(tmp_path / "large.tif", np.full((60, 80, 2), 300, "int16"))]
    log = serving.Log()
    serve(values, log, part="0/2", out__pixeltype="uint8")
    note = json.loads((tmp_path / "map.parts" / "part-00000.json").read_text())
    assert note["counts"]["clipped"] > 0 and note["counts"]["replaced"] == 0
    assert [warning for warning in log.warnings if warning.startswith(f"Part 0: {note['counts']['clipped']} values")]


# ------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"out.nodata": 7}, "OUT_NODATA (there nothing, here 7"),
        ({"output.bv": 3}, "OUTPUT_BV (there nothing, here 3"),
        ({"source1.nodata": 3}, "SOURCE1_NODATA (there nothing, here 3"),
        ({"out.box": "0:0:5:5"}, 'OUT_BOX (there nothing, here "0:0:5:5")'),
        ({"out.co": "COMPRESS=LZW"}, "OUT_CO"),
        ({"out.pixeltype": "double"}, "OUT_PIXELTYPE"),
    ],
)
def test_parts_of_another_run(values: dict[str, Any], tmp_path: Path, change: dict[str, Any], told: str) -> None:
    serve(values, part="0/2")
    before = {path: path.read_bytes() for path in (tmp_path / "map.parts").iterdir()}
    with pytest.raises(ParameterError, match="parts of another run") as caught:
        serve({**values, **change}, part="1/2")
    assert told in str(caught.value) and str(tmp_path / "map.parts") in str(caught.value)
    assert {path: path.read_bytes() for path in (tmp_path / "map.parts").iterdir()} == before


def test_parts_of_another_image(values: dict[str, Any], tmp_path: Path) -> None:
    serve(values, part="0/2")
    os.utime(values["source1.il"][0], (1e9, 1e9))
    with pytest.raises(ParameterError, match=r"SOURCE1_IL \(there image.tif of .* changed at 1000000000"):
        serve(values, part="1/2")


def test_the_same_files_in_another_folder(values: dict[str, Any], tmp_path: Path) -> None:
    """As another machine sees them."""
    serve(values, part="0/2")
    (tmp_path / "mounted").mkdir()
    there = tmp_path / "mounted" / "image.tif"
    os.link(values["source1.il"][0], there)
    assert serve({**values, "source1.il": [str(there)]}, part="1/2", device="cpu")["parts.missing"] == 0


def test_parts_of_another_model(values: dict[str, Any], tmp_path: Path) -> None:
    serve(values, part="0/2")
    other = serving.pixelwise(tmp_path / "other", lambda x: x + 1, 2, "int16")
    with pytest.raises(ParameterError, match=r"the model \(there sha256:.*, here sha256:"):
        serve({**values, "model.dir": other}, part="1/2")


def test_other_bands_of_an_image(values: dict[str, Any], tmp_path: Path) -> None:
    image = values["source1.il"][0]
    serve({**values, "source1.il": [f"{image}?&bands=2,1"]}, part="0/2")
    with pytest.raises(ParameterError, match="SOURCE1_IL"):
        serve(values, part="1/2")


def scaled(image: str, ratio: float) -> gdal.Dataset:
    return gdal.Translate("", image, format="VRT", scaleParams=[[0, 1, 0, ratio]])


def test_an_image_that_is_read_in_another_way(values: dict[str, Any]) -> None:
    """By its virtual raster alone: the file is the same."""
    image = values["source1.il"][0]
    serve({**values, "source1.il": [scaled(image, 1)]}, part="0/2")
    with pytest.raises(
        ParameterError, match=r"SOURCE1_IL \(there .*virtual raster (\w+); .*here .*virtual raster (?!\1)"
    ):
        serve({**values, "source1.il": [scaled(image, 2)]}, part="1/2")
    assert serve({**values, "source1.il": [scaled(image, 1)]}, part="1/2")["parts.missing"] == 0


def test_workers_are_not_begun_for_a_raster_without_a_file(values: dict[str, Any]) -> None:
    held = gdal.GetDriverByName("MEM").CreateCopy("", gdal.Open(values["source1.il"][0]))
    for raster in (held, Opened(held, "B04.tif")):
        with pytest.raises(ParameterError, match="CLUSTER is given, but an input is a MEM dataset in memory, which"):
            serve({**values, "source1.il": [raster]}, cluster="local:2")


def test_virtual_rasters_in_another_folder(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another machine sees them, by a path relative to the current folder, and as parts of other virtual rasters."""
    image = Path(values["source1.il"][0])
    gdal.BuildVRT(str(tmp_path / "one.vrt"), [str(image)]).FlushCache()
    (tmp_path / "mounted").mkdir()
    for name in ("image.tif", "one.vrt"):
        os.link(tmp_path / name, tmp_path / "mounted" / name)
    monkeypatch.chdir(tmp_path / "mounted")
    for number, (there, here) in enumerate(
        [(str(tmp_path / "one.vrt"), "one.vrt"), (f"vrt://{tmp_path}/one.vrt?bands=2,1", "vrt://one.vrt?bands=2,1")]
    ):
        out = str(tmp_path / f"map{number}.vrt")
        serve({**values, "source1.il": [there], "out": out}, part="0/2")
        assert serve({**values, "source1.il": [here], "out": out}, part="1/2")["parts.missing"] == 0


def test_a_source_of_a_source_that_has_changed(values: dict[str, Any], tmp_path: Path) -> None:
    image = values["source1.il"][0]
    for name, source in (("one", image), ("two", str(tmp_path / "one.vrt"))):
        gdal.BuildVRT(str(tmp_path / f"{name}.vrt"), [source]).FlushCache()
    values["source1.il"] = [str(tmp_path / "two.vrt")]
    serve(values, part="0/2")
    os.utime(image, (1e9, 1e9))
    with pytest.raises(ParameterError, match=r"here .*image.tif of \d+ bytes changed at 1000000000"):
        serve(values, part="1/2")


def test_long_values_are_shown_where_they_differ() -> None:
    common = ", ".join(f"image{number}.tif of 5 bytes" for number in range(99))
    there, here = ({"the images": f"{common}, last.tif of {size} bytes, {common}"} for size in (5, 6))
    told = str(differences(there, here)[0])
    assert "(there ...last.tif of 5 bytes, image0" in told and "here ...last.tif of 6 bytes, image0" in told
    assert len(told) < 500


def test_an_image_in_memory(values: dict[str, Any], tmp_path: Path) -> None:
    image = core.ArrayRaster(serving.noise(60, 80, 2, "int16"), serving.ORIGIN, "EPSG:32654")
    with pytest.raises(
        ParameterError, match="SOURCE1_IL is .* in the memory of this process, where other runs cannot read it"
    ):
        serve({**values, "source1.il": [image]}, part="0/2")
    assert not (tmp_path / "map.parts").exists()


def test_an_image_in_an_archive_in_memory(values: dict[str, Any], tmp_path: Path) -> None:
    gdal.FileFromMemBuffer("/vsimem/image.zip", zipped(values["source1.il"][0], tmp_path).read_bytes())
    try:
        with pytest.raises(ParameterError, match="SOURCE1_IL is .* where other runs cannot read it"):
            serve({**values, "source1.il": ["/vsizip//vsimem/image.zip/image.tif"]}, part="0/2")
    finally:
        gdal.Unlink("/vsimem/image.zip")


def test_less_memory_than_the_plan_takes(values: dict[str, Any], tmp_path: Path) -> None:
    serve(values, part="0/2", memory=512)
    with pytest.raises(ParameterError, match="MEMORY is 256, but the plan of these parts takes 512 MB"):
        serve(values, part="1/2", memory=256)
    plan = tmp_path / "map.parts" / "plan.json"
    plan.write_text(plan.read_text().replace(f'"memory": {512 << 20}', f'"memory": {1 << 50}'))
    with pytest.raises(ParameterError, match=r"takes 1073741824 MB, but this machine, or its job, has \d+ MB"):
        serve(values, part="1/2")
    plan.write_text(plan.read_text().replace(f'"memory": {1 << 50}', f'"memory": {512 << 20}'))
    assert serve(values, part="1/2", memory=1024)["parts.missing"] == 0


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"form": 1}', '{"form": 2}', "\x00"])
def test_a_damaged_plan(values: dict[str, Any], tmp_path: Path, text: str) -> None:
    (tmp_path / "map.parts").mkdir()
    (tmp_path / "map.parts" / "plan.json").write_text(text)
    with pytest.raises(ParameterError, match=r"plan.json is damaged"):
        serve(values, part="0/2")


def test_a_folder_of_other_things(values: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "map.parts").mkdir()
    (tmp_path / "map.parts" / "thesis.doc").write_text("years")
    with pytest.raises(ParameterError, match="that folder contains other files .thesis.doc"):
        serve(values, part="0/2")
    (tmp_path / "map.parts" / "thesis.doc").unlink()
    (tmp_path / "map.parts").rmdir()
    (tmp_path / "map.parts").write_text("a file")
    with pytest.raises(ParameterError, match="cannot be made or read"):
        serve(values, part="0/2")


def test_parts_of_another_format(values: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match="OUT_FORMAT is PNG, but the parts of a virtual raster are GeoTIFFs"):
        serve(values, part="0/2", out__format="PNG")


def test_a_plain_run_writes_no_virtual_raster(values: dict[str, Any]) -> None:
    with pytest.raises(OtbtfError, match="GDAL cannot write pixels"):
        serve(values)


# ------------------------------------------------------------------ cancelled


class Stopping(serving.Log):
    """Stops once a part is done and the next one has begun."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def cancelled(self) -> bool:
        return any(self._folder.glob("part-*.json")) and bool(serving.hidden(self._folder))


def test_cancelled(values: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "map.parts"
    serve(values, part="7/8")  # makes the plan, of eight parts
    for note in folder.glob("part-*.json"):
        note.unlink()
    with pytest.raises(Cancelled):
        serve(values, Stopping(folder), part="0/1")
    assert serving.hidden(folder) == serving.hidden(tmp_path) == []
    assert 0 < len(list(folder.glob("part-*.json"))) < 8
    assert serve(values, resume=True)["parts.missing"] == 0
    np.testing.assert_array_equal(serving.read(values["out"]), serving.read(values["source1.il"][0]))

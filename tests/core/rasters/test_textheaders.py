"""Rasters whose headers, or what lies beside them, are cut off: nothing is read by defaults without a word.

What is right is the array that was written, and the position that was given for it.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, osr

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import RasterError
from otbtf_qgis.core.files import inputs
from otbtf_qgis.core.rasters import rasterfiles
from otbtf_qgis.core.rasters.messages import Reports
from otbtf_qgis.core.rasters.rasterstack import Stack
from otbtf_qgis.core.registry import run

ROWS, COLUMNS = 23, 31
CORNER = (300000.0, 10.0, 0.0, 4000000.0, 0.0, -10.0)
RANDOM = np.random.default_rng(8)

TEXT = [
    ("a.bin", "ENVI", ["INTERLEAVE=BSQ"], 3, "uint16", "a.hdr"),
    ("a.bin", "ENVI", ["INTERLEAVE=BIP"], 3, "float32", "a.hdr"),
    ("a.bin", "ENVI", ["INTERLEAVE=BIL"], 2, "uint8", "a.hdr"),
    ("a.bil", "EHdr", [], 3, "uint8", "a.hdr"),
    ("a.bil", "EHdr", [], 3, "uint16", "a.hdr"),
    ("a.bil", "EHdr", [], 1, "int16", "a.hdr"),
    ("a.bil", "EHdr", [], 1, "float32", "a.hdr"),
    ("a.raw", "PAux", [], 3, "uint16", "a.aux"),
    ("a.grd", "RRASTER", [], 3, "float32", "a.grd"),
    ("a.grd", "RRASTER", [], 1, "float32", "a.grd"),
    ("a.dem", "ROI_PAC", [], 1, "int16", "a.dem.rsc"),
    ("a.rst", "RST", [], 1, "float32", "a.rdc"),
    ("a.sdat", "SAGA", [], 1, "float32", "a.sgrd"),
    ("a.ers", "ERS", [], 3, "uint16", "a.ers"),
    ("a.mpr", "ILWIS", [], 1, "float32", "a.mpr"),
    ("a.mpl", "ILWIS", [], 2, "float32", "a.mpl"),
    ("a.mpl", "ILWIS", [], 2, "float32", "a_band_1.mpr"),
    ("a.asc", "AAIGrid", [], 1, "float32", "a.asc"),
    ("a.xyz", "XYZ", [], 1, "int16", "a.xyz"),
]
TYPES = {"uint8": gdal.GDT_Byte, "uint16": gdal.GDT_UInt16, "int16": gdal.GDT_Int16, "float32": gdal.GDT_Float32}


class Log(Progress):
    """Keeps warnings."""

    def __init__(self) -> None:
        self.warned: list[str] = []

    def warning(self, message: str) -> None:
        self.warned.append(message)


def write(path: Path, driver: str, options: list[str], bands: int, dtype: str) -> np.ndarray:
    """Write a raster with GDAL alone, and return its pixels as (rows, columns, bands)."""
    known = gdal.GetDriverByName(driver)
    if known is None or not (known.GetMetadataItem("DCAP_CREATECOPY") or known.GetMetadataItem("DCAP_CREATE")):
        pytest.skip("newer GDALs lack the driver, or do not write the format")
    pixels = RANDOM.integers(1, 250 if dtype == "uint8" else 30000, (bands, ROWS, COLUMNS)).astype(dtype)
    memory = gdal.GetDriverByName("MEM").Create("", COLUMNS, ROWS, bands, TYPES[dtype])
    memory.SetGeoTransform(CORNER)
    memory.SetProjection(wkt())
    for band in range(bands):
        memory.GetRasterBand(band + 1).WriteArray(pixels[band])
    made = gdal.GetDriverByName(driver).CreateCopy(str(path), memory, strict=0, options=options)
    assert made is not None, driver
    return np.moveaxis(pixels, 0, -1)


def wkt() -> str:
    system = osr.SpatialReference()
    system.ImportFromEPSG(32654)
    return str(system.ExportToWkt())


def read(path: Path) -> tuple[np.ndarray, tuple[float, ...], list[str]]:
    """Return pixels, geotransform, and warnings."""
    log = Log()
    with inputs.watched(log):
        stack = Stack([str(path)])
        pixels = stack.read(stack.grid.box)
    return pixels, tuple(stack.datasets[0].GetGeoTransform()), log.warned


def cuts(size: int) -> Iterator[int]:
    yield from range(0, size, max(1, size // 150))
    yield size - 1


@pytest.fixture(params=[False, True], ids=["returned", "raised"])
def exceptions(request: pytest.FixtureRequest) -> Iterator[None]:
    """GDAL's exceptions off and on."""
    before = gdal.GetUseExceptions()
    (gdal.UseExceptions if request.param else gdal.DontUseExceptions)()
    yield
    (gdal.UseExceptions if before else gdal.DontUseExceptions)()


class TestTextHeaders:
    @pytest.mark.parametrize(("name", "driver", "options", "bands", "dtype", "header"), TEXT)
    def test_is_taken_without_a_word_when_whole(
        self, tmp_path: Path, name: str, driver: str, options: list[str], bands: int, dtype: str, header: str
    ) -> None:
        pixels = write(tmp_path / name, driver, options, bands, dtype)
        found, place, warned = read(tmp_path / name)
        assert np.array_equal(found, pixels) and found.dtype == dtype
        assert not [line for line in warned if "GDAL_DATA" not in line]  # which is of how GDAL is installed
        assert place == pytest.approx(CORNER)

    @pytest.mark.parametrize(("name", "driver", "options", "bands", "dtype", "header"), TEXT)
    def test_cut_off_anywhere_gives_no_other_pixels(
        self, tmp_path: Path, name: str, driver: str, options: list[str], bands: int, dtype: str, header: str
    ) -> None:
        pixels = write(tmp_path / name, driver, options, bands, dtype)
        content = (tmp_path / header).read_bytes()
        refused, wrong = 0, []
        for size in cuts(len(content)):
            (tmp_path / header).write_bytes(content[:size])
            try:
                found, place, warned = read(tmp_path / name)
            except RasterError:
                refused += 1
                continue
            same = found.dtype == dtype and np.array_equal(found, pixels)
            moved = place != pytest.approx(CORNER) and not content[:size].endswith(b"\n")  # else nothing is amiss in it
            smaller = driver == "XYZ" and np.array_equal(
                found, pixels[: len(found)]
            )  # a list of whole rows is complete
            if (not (same or smaller) or moved) and not warned:
                wrong.append(size)
        assert refused and not wrong

    @pytest.mark.parametrize("field", ["samples", "lines", "bands", "data type", "interleave", "byte order"])
    def test_envi_names_what_it_lacks(self, tmp_path: Path, field: str) -> None:
        write(tmp_path / "a.bin", "ENVI", [], 3, "uint16")
        lines = (tmp_path / "a.hdr").read_text().splitlines()
        (tmp_path / "a.hdr").write_text("\n".join(line for line in lines if not line.startswith(field)) + "\n")
        with pytest.raises(RasterError, match=rf"a\.hdr is damaged or incomplete: it lacks {field}|Cannot open"):
            Stack([str(tmp_path / "a.bin")])

    def test_envi_of_bytes_needs_no_byte_order(self, tmp_path: Path) -> None:
        pixels = write(tmp_path / "a.bin", "ENVI", [], 3, "uint8")
        lines = (tmp_path / "a.hdr").read_text().splitlines()
        (tmp_path / "a.hdr").write_text("\n".join(line for line in lines if not line.startswith("byte order")) + "\n")
        found, _, warned = read(tmp_path / "a.bin")
        assert np.array_equal(found, pixels) and not warned

    @pytest.mark.parametrize(
        ("bands", "field", "line"),
        [
            (1, "interleave", ""),
            (3, "byte order", "byte order = 0 ; little-endian"),
            (3, "interleave", "interleave = bsq ; by band"),
            (3, "interleave", "interleave = bsq\n; see {the manual"),
        ],
    )
    def test_envi_as_people_write_it(self, tmp_path: Path, bands: int, field: str, line: str) -> None:
        """One band has no order among others; a semicolon begins a comment."""
        pixels = write(tmp_path / "a.bin", "ENVI", ["INTERLEAVE=BSQ"], bands, "uint16")
        lines = (tmp_path / "a.hdr").read_text().splitlines()
        changed = [line if each.startswith(field) else each for each in lines]
        (tmp_path / "a.hdr").write_text("\n".join(changed) + "\n")
        found, _, warned = read(tmp_path / "a.bin")
        assert np.array_equal(found, pixels) and not warned

    def test_envi_has_no_fields_within_braces_and_may_end_with_one(self, tmp_path: Path) -> None:
        pixels = write(tmp_path / "a.bin", "ENVI", [], 3, "uint16")
        text = (tmp_path / "a.hdr").read_text().rstrip()
        assert text.endswith("}")
        (tmp_path / "a.hdr").write_text(text.replace("description = {", "description = {\ninterleave = none\n"))
        found, _, warned = read(tmp_path / "a.bin")
        assert np.array_equal(found, pixels) and not warned

    def test_envi_headers_may_be_long(self, tmp_path: Path) -> None:
        pixels = write(tmp_path / "a.bin", "ENVI", [], 3, "uint8")
        with (tmp_path / "a.hdr").open("a") as file:
            file.writelines(f"comment {number} = {{{'x' * 1000}}}\n" for number in range(2000))
        assert np.array_equal(read(tmp_path / "a.bin")[0], pixels)

    @pytest.mark.parametrize(("field", "value"), [("interleave", "bs"), ("byte order", "2")])
    def test_envi_takes_no_value_that_there_is_not(self, tmp_path: Path, field: str, value: str) -> None:
        write(tmp_path / "a.bin", "ENVI", [], 3, "uint16")
        lines = (tmp_path / "a.hdr").read_text().splitlines()
        changed = [f"{field} = {value}" if line.startswith(field) else line for line in lines]
        (tmp_path / "a.hdr").write_text("\n".join(changed) + "\n")
        with pytest.raises(RasterError, match=f"{field} is '{value}'|header requires"):
            Stack([str(tmp_path / "a.bin")])

    def test_envi_with_an_open_brace_is_refused(self, tmp_path: Path) -> None:
        write(tmp_path / "a.bin", "ENVI", [], 3, "uint16")
        text = (tmp_path / "a.hdr").read_text()
        (tmp_path / "a.hdr").write_text(text[: text.index("Band 2")])
        with pytest.raises(RasterError, match="the value of band names begins with { and is never closed"):
            Stack([str(tmp_path / "a.bin")])

    def test_a_larger_file_is_told_once_by_an_operation(self, tmp_path: Path) -> None:
        write(tmp_path / "a.bin", "ENVI", [], 3, "uint8")
        with (tmp_path / "a.bin").open("ab") as file:
            file.write(bytes(7))
        log = Log()
        run("PatchesSelection", {"in": str(tmp_path / "a.bin"), "grid.step": 8, "grid.psize": 8, "strategy": "all",
                                 "outtrain": str(tmp_path / "out.gpkg")}, log)  # fmt: skip
        total = ROWS * COLUMNS * 3
        told = [line for line in log.warned if f"has {total + 7} bytes, but its header describes {total}" in line]
        assert len(told) == 1

    def test_ehdr_of_one_band_by_default_is_refused_where_there_are_more(self, tmp_path: Path) -> None:
        write(tmp_path / "a.bil", "EHdr", [], 3, "uint8")
        (tmp_path / "a.hdr").write_text(f"NROWS {ROWS}\nNCOLS {COLUMNS}\n")
        with pytest.raises(RasterError, match="lacks nbands, nbits"):
            Stack([str(tmp_path / "a.bil")])

    def test_grid_float(self, tmp_path: Path) -> None:
        pixels = RANDOM.random((5, 7)).astype("<f4")
        pixels.tofile(tmp_path / "a.flt")
        lines = ["ncols 7", "nrows 5", "xllcorner 100", "yllcorner 200", "cellsize 10", "byteorder LSBFIRST"]
        (tmp_path / "a.hdr").write_text("\n".join(lines) + "\n")
        found, place, warned = read(tmp_path / "a.flt")
        assert np.array_equal(found[..., 0], pixels) and place == (100, 10, 0, 250, 0, -10) and not warned
        (tmp_path / "a.hdr").write_text("\n".join(lines[:4]) + "\n")
        with pytest.raises(RasterError, match="it has xllcorner, yllcorner, but lacks cellsize"):
            Stack([str(tmp_path / "a.flt")])

    def test_genbin(self, tmp_path: Path) -> None:
        """GDAL reads the format, but does not write it."""
        pixels = RANDOM.integers(0, 9999, (2, 5, 7)).astype("<i2")
        pixels.transpose(1, 0, 2).tofile(tmp_path / "g.bil")
        lines = ["DATASET: g.bil\nBANDS: 2\nROWS: 5\nCOLS: 7\nINTERLEAVING: BIL\nDATATYPE: S16\nBYTE_ORDER: LSB\n"
                 "UL_X_COORDINATE: 0\nUL_Y_COORDINATE: 5\nLR_X_COORDINATE: 7\nLR_Y_COORDINATE: 0\n"]  # fmt: skip
        lines = lines[0].splitlines()
        for count in range(1, len(lines)):
            (tmp_path / "g.hdr").write_text("\n".join(lines[:count]) + "\n")
            if count == 7:  # all that pixels need
                assert np.array_equal(read(tmp_path / "g.bil")[0], np.moveaxis(pixels, 0, -1))
                continue
            with pytest.raises(RasterError):
                Stack([str(tmp_path / "g.bil")])

    def test_sources_of_virtual_rasters(self, tmp_path: Path) -> None:
        write(tmp_path / "a.bin", "ENVI", [], 3, "uint16")
        for name, source in (("a.vrt", "a.bin"), ("b.vrt", "a.vrt")):
            gdal.Translate(str(tmp_path / name), str(tmp_path / source), format="VRT").FlushCache()
        text = (tmp_path / "a.hdr").read_text()
        (tmp_path / "a.hdr").write_text(text[: text.index("byte order")])
        for name in ("a.vrt", "b.vrt"):
            with pytest.raises(RasterError, match=r"a\.hdr is damaged or incomplete: it lacks byte order"):
                Stack([str(tmp_path / name)])

    def test_raw_bands_of_virtual_rasters(self, tmp_path: Path) -> None:
        """Four columns of the last line are in the file that is cut off; GDAL gives zeros for the others."""
        pixels = RANDOM.integers(1, 9999, (2, 5, 7)).astype("<i2")
        pixels.transpose(1, 0, 2).tofile(tmp_path / "raw & data")
        (tmp_path / "raw.vrt").write_text(
            '<VRTDataset rasterXSize="7" rasterYSize="5">'
            '<VRTRasterBand dataType="Int16" band="1" subClass="VRTRawRasterBand">'
            '<SourceFilename relativeToVRT="1">raw &amp; data</SourceFilename><ImageOffset>0</ImageOffset>'
            "<PixelOffset>2</PixelOffset><LineOffset>28</LineOffset></VRTRasterBand></VRTDataset>"
        )
        gdal.Translate(str(tmp_path / "outer.vrt"), str(tmp_path / "raw.vrt"), format="VRT").FlushCache()
        os.truncate(tmp_path / "raw & data", 4 * 28 + 7 * 2)  # the second band ends beyond, and is none of it
        for name in ("raw.vrt", "outer.vrt"):
            assert np.array_equal(read(tmp_path / name)[0][..., 0], pixels[0])
        os.truncate(tmp_path / "raw & data", 120)
        for name in ("raw.vrt", "outer.vrt"):
            with pytest.raises(RasterError, match="raw & data has 120 bytes, but its header requires 126"):
                Stack([str(tmp_path / name)])


class TestBeside:
    def test_a_cut_off_aux_xml_is_refused(self, tmp_path: Path) -> None:
        write(tmp_path / "a.png", "PNG", [], 3, "uint8")
        beside = tmp_path / "a.png.aux.xml"
        content = beside.read_bytes()
        for size in (0, 10, len(content) // 2, len(content) - 5):
            beside.write_bytes(content[:size])
            with pytest.raises(RasterError, match=r"a\.png\.aux\.xml is damaged or incomplete"):
                Stack([str(tmp_path / "a.png")])
        beside.write_bytes(content)
        assert Stack([str(tmp_path / "a.png")]).bands == 3

    def test_a_cut_off_prj_is_refused_and_an_empty_one_told(self, tmp_path: Path, exceptions: None) -> None:
        write(tmp_path / "a.bil", "EHdr", [], 1, "uint8")
        beside = tmp_path / "a.prj"
        content = beside.read_bytes()
        beside.write_bytes(content[: len(content) // 2])
        with pytest.raises(
            RasterError, match=r"a\.bil, or a file beside it .* is damaged or incomplete: GDAL .* reports: missing"
        ):
            Stack([str(tmp_path / "a.bil")])
        beside.write_bytes(b"")
        assert [line for line in read(tmp_path / "a.bil")[2] if "a.prj is empty" in line]


class TestReports:
    def test_failures_refuse_what_gdal_opens(self, tmp_path: Path, exceptions: None) -> None:
        """The tree of a compressed Imagine file is at its end; GDAL gives zeros for layers that it does not find."""
        pixels = write(tmp_path / "a.img", "HFA", ["COMPRESSED=YES"], 3, "uint16")
        content = (tmp_path / "a.img").read_bytes()
        said = 0
        for size in range(0, len(content), len(content) // 40):
            (tmp_path / "a.img").write_bytes(content[:size])
            try:
                found, place, warned = read(tmp_path / "a.img")
            except RasterError as error:
                said += "GDAL opens it, but reports" in str(error)
            else:
                assert np.array_equal(found, pixels) and place == pytest.approx(CORNER) and not warned
        assert said > 3

    def test_warnings_are_told_once_by_an_operation(self, tmp_path: Path, exceptions: None) -> None:
        geotiff(tmp_path / "a.tif", 1)  # a code that there is not
        log = Log()
        run("ExtractROI", {"in": str(tmp_path / "a.tif"), "out": str(tmp_path / "out.tif")}, log)
        told = [line for line in log.warned if "crs not found" in line]
        assert len(told) == 1 and "a.tif: GDAL warns: PROJ" in told[0]

    def test_ordinary_failures_are_none(self, tmp_path: Path, exceptions: None) -> None:
        """GDAL tries channels in files of their own as rasters first, and reports that they are none."""
        pixels = write(tmp_path / "a.pix", "PCIDSK", ["INTERLEAVING=FILE"], 3, "uint16")
        found, _, warned = read(tmp_path / "a.pix")
        assert np.array_equal(found, pixels) and not warned

    def test_reports_of_other_threads_are_told(self) -> None:
        log = Log()
        with inputs.watched(log):
            reports = Reports("a.tif")
        threads = [threading.Thread(target=reports.warn, args=(["odd.", "odd", f"{n}"],)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(log.warned) == [f"a.tif: GDAL warns: {what}." for what in ("0", "1", "2", "3", "odd")]

    def test_not_all_are_told(self) -> None:
        log = Log()
        with inputs.watched(log):
            Reports("a.tif").warn(f"block {number}" for number in range(1000))
        assert len(log.warned) == 20


def geotiff(path: Path, code: int) -> None:
    """Write a GeoTIFF of 2 x 2 bytes whose projected coordinate system has a code."""
    keys = [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, code]
    tags: list[tuple[int, str, list[Any]]] = [
        *((number, "H", [value]) for number, value in ((256, 2), (257, 2), (258, 8), (259, 1), (262, 1), (277, 1))),
        *((number, "I", [value]) for number, value in ((273, 8), (278, 2), (279, 4))),
        (33550, "d", [10.0, 10.0, 0.0]),
        (33922, "d", [0.0, 0.0, 0.0, 300000.0, 4000000.0, 0.0]),
        (34735, "H", keys),
    ]
    pixels, values, entries = b"\1\2\3\4", b"", b""
    for number, kind, items in sorted(tags):
        raw = struct.pack(f"<{len(items)}{kind}", *items)
        place = raw.ljust(4, b"\0")
        if len(raw) > 4:
            place, values = struct.pack("<I", 12 + len(values)), values + raw
        entries += struct.pack("<HHI", number, {"H": 3, "I": 4, "d": 12}[kind], len(items)) + place
    head = b"II*\0" + struct.pack("<I", 12 + len(values))
    path.write_bytes(head + pixels + values + struct.pack("<H", len(tags)) + entries + bytes(4))


def test_values_in_files_beside_a_pcidsk_raster_must_be_whole(tmp_path: Path) -> None:
    write(tmp_path / "a.pix", "PCIDSK", ["INTERLEAVING=FILE"], 3, "uint16")
    assert (tmp_path / "a.002").stat().st_size == 2 * ROWS * COLUMNS
    os.truncate(tmp_path / "a.002", 2 * ROWS * COLUMNS - 1)
    with pytest.raises(RasterError, match=rf"a\.002 has {2 * ROWS * COLUMNS - 1} bytes, but .* {2 * ROWS * COLUMNS}\."):
        Stack([str(tmp_path / "a.pix")])


@pytest.mark.parametrize("driver", ["GPKG", "MBTiles", "Rasterlite"])
def test_a_database_without_its_last_bytes_is_refused(tmp_path: Path, driver: str) -> None:
    """SQLite fills them up with zeros."""
    path = tmp_path / f"a.{driver.lower()}"
    write(path, driver, [], 3, "uint8")
    assert Stack([str(path)]).bands
    size = os.path.getsize(path)
    os.truncate(path, size - 100)
    with pytest.raises(RasterError, match=f"has {size - 100} bytes, but its header requires {size}"):
        Stack([str(path)])


def test_sources_of_a_virtual_raster_are_checked_once_in_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run opens its images for each thread; a damaged source is refused each time."""
    pixels = write(tmp_path / "a.bin", "ENVI", [], 2, "uint16")
    gdal.BuildVRT(str(tmp_path / "a.vrt"), [str(tmp_path / "a.bin")]).FlushCache()
    checked: list[str] = []
    check = rasterfiles.check_headers
    monkeypatch.setattr(
        rasterfiles,
        "check_headers",
        lambda data, files: checked.append(data.GetDriver().ShortName) or check(data, files),
    )
    with inputs.watched(Log()):
        for _ in range(3):
            stack = Stack([str(tmp_path / "a.vrt")])
            assert np.array_equal(stack.read(stack.grid.box), pixels)
    assert checked.count("ENVI") == 1
    (tmp_path / "a.hdr").write_text((tmp_path / "a.hdr").read_text().replace("interleave", "interlaeve"))
    with inputs.watched(Log()):
        for _ in range(2):
            with pytest.raises(RasterError, match="lacks interleave"):
                Stack([str(tmp_path / "a.vrt")])

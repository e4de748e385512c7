"""Records what OTB's small applications return, with Debian's otb-bin (8.1.1) installed:

    /usr/bin/python3 tests/data/otb_tools/record.py

Writes band_math.npz (images, expressions and their values) and tools.npz (inputs, command lines, results) here.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from osgeo import gdal, osr

HERE = Path(__file__).parent
gdal.UseExceptions()

BAND_MATH_X = """
im1b1 | im1 | im1b1 + 1 | im1b1 - im1b2 * 2 / im1b3 | 2^3^2 | -im1b1^2 | 2^-1 | im1 + im2 | im1 - im2 | im1 mult im2
im1 div im2 | im2 pow im2 | im1 mlt 2 | im1 dv im2b1 | im2 pw 2 | im1*2 | 2*im1
im1+{1; 1; 1} | im1 mult {1, 2, 3} | {im1b1; im1b2} | {im1b1, im1b2; im2b1, im2b2} | {im1b1, im1b2}; im2b1
im1b1; im2b2 | im1; im2 | mean(im1; im2) | bands(im1, {1, 2}) | bands(im1, {3; 1}) | bands({im1b1; im1b2}, {2})
cat(im1, im2b1) | im1b1 > 2 ? 1 : 0 | im1b1 > 2 && im1b2 > 2 ? 5 : 6 | im1b1 > 2 || im1b2 > 2 ? 5 : 6
im1b1 > 2 ? im1b2 > 1 ? 1 : 2 : 3 | im1b1 > 2 ? im1 : im2 | im1b1 == im1b1 ? 1 : 0
im1b1 != im2b1 and true ? 1 : 2 | sin(im1b1); cos(im1b1); tan(im1b1) | exp(im1b1); sqrt(im2b1); abs(im1b1)
ln(im2b1); log(im2b1); log2(im2b1); log10(im2b1) | sinh(im2b1); cosh(im2b1); tanh(im2b1) | vcos(im1); vsin(im1)
vsqrt(im2); vlog(im2) | vabs(im1) | min(im1b1, im1b2, 3); max(im1b1, 2) | sum(1, 2, im1b1) | vmin(im1); vmax(im1)
vnorm(im1) | mean(im1); var(im1); median(im1) | mean(im1, im2) | dotpr(im1, im2) | dotpr(im1, im2, im1)
corr(im1, im2) | ndvi(im2b1, im2b2) | pi; e | 1e-3; 1.5E2
im1b1Mini; im1b1Maxi; im1b1Mean; im1b1Sum; im1b1Var | (im2b1 - im2b1Mini) / (im2b1Maxi - im2b1Mini)
(int)im1b1 | (int)(im1b1 + 0.5) | (int)im1b1^2 | (float)im1b1 + 0.5 | idxX; idxY | im1PhyX; im1PhyY
idxX + idxY * 10 + im3b1 | mean(im3b1N3x3) | mean(im1b1N3x5) | var(im1b1N3x3) | var(im2b2N5x5) | median(im1b1N3x3)
mean(im1b1N3x3, im2b1N3x3) | median(im1b1N3x3; im2b1N5x3) | corr(im1b1N3x3, im2b1N3x3) | dotpr(im1b1N3x3, im2b1N3x3)
dotpr(im1b1N3x3, im1b2N3x3, im2b2N3x3) | vmin(im1b1N3x3); vmax(im1b1N5x3) | vmin(im1b1N1x3) | vnorm(im1b1N3x3)
im1b1N3x1 | im1b1N1x1 | im1b1N3x1 + im2 | bands(im1b1N3x1, {1, 3}) | mean(vabs(im1b1N3x3)) | mean(vsqrt(im2b1N3x3))
mean(im1b1N3x3 - im2b1N3x3) | mean(im1b1N3x3 div im2b1N3x3) | mean(im1b1N3x3 mlt im2b1) | mean(im2b1N3x3 pw 2)
mean(2*im2b1N3x3) | im1b1 > vect2scal(mean(im1b1N3x3)) ? 1 : 0 | vect2scal(mean(im1b1N3x3)) - im1b1
vect2scal(var(im1b1N3x3)) / vect2scal(mean(im2b1N3x3))
"""
BAND_MATH = """
im1b1 | im1b1 > 2 | im1b1 > 2 && im2b1 > 1 | im1b1 > 2 and im2b1 > 1 or im1b2 < 0 | (im1b1 > 2) + 1 | im1b1 ? 3 : 4
ndvi(im1b1, im1b2) | rint(im1b1) | sign(im1b1) | avg(im1b1, 2, 4) | sum(1, 2, im1b1) | min(1, im1b1)
max(1, im1b1, im1b2) | log(im2b1) + ln(im2b1) | log2(im2b1) | log10(im2b1) | atan2(im1b1, im1b2) | asinh(im1b1)
acosh(im2b1 + 1) | pi + e + euler + ln2 + ln10 + log2e + log10e | im1b1^2 | 2^3^2 | -2^2 | 1e3 | abs(im1b1)
exp(im1b1) | sqrt(im2b1) | im1b1 != 2 || 0 | im1b1>2 ? im1b2>1 ? 1 : 2 : 3 | +im1b1 | 1 - -1 | im1b1*-1
idxX + idxY * 10 | idxPhyX | idxPhyY | (im1b1 >= im1b2) * 2 + (im1b1 <= 3)
tan(im2b1) + sin(im1b1) * cos(im1b1) | im1b1 == im1b1 | asin(im2b1 / 9) + acos(im2b1 / 9) + atan(im1b1)
"""

TOOLS = """
ExtractROI -in three.tif
ExtractROI -in three.tif -startx 2 -starty 1 -sizex 3 -sizey 2
ExtractROI -in three.tif -startx 2 -starty 1
ExtractROI -in three.tif -startx 5 -starty 1 -sizex 30 -sizey 2
ExtractROI -in three.tif -cl Channel1 Channel3
ExtractROI -in three.tif -mode extent -mode.extent.ulx 1 -mode.extent.uly 1 -mode.extent.lrx 3 -mode.extent.lry 4
ExtractROI -in three.tif -mode extent -mode.extent.ulx 1.4 -mode.extent.uly 1.6 -mode.extent.lrx 3.4 -mode.extent.lry 4.6
ExtractROI -in three.tif -mode extent -mode.extent.unit phy -mode.extent.ulx 500010 -mode.extent.uly 4799980 \
 -mode.extent.lrx 500030 -mode.extent.lry 4799940
ExtractROI -in three.tif -mode extent -mode.extent.unit phy -mode.extent.ulx 500012 -mode.extent.uly 4799971 \
 -mode.extent.lrx 500028 -mode.extent.lry 4799949
ExtractROI -in three.tif -mode extent -mode.extent.unit phy -mode.extent.ulx 499990 -mode.extent.uly 4800100 \
 -mode.extent.lrx 500022 -mode.extent.lry 4799950
ExtractROI -in three.tif -mode fit -mode.fit.im inside.tif
ExtractROI -in three.tif -mode fit -mode.fit.im fine.tif
ExtractROI -in three.tif -mode radius -mode.radius.r 1 -mode.radius.cx 3 -mode.radius.cy 2
ExtractROI -in three.tif -mode radius -mode.radius.r 20 -mode.radius.unitr phy -mode.radius.cx 500035 \
 -mode.radius.unitc phy -mode.radius.cy 4799950
ConcatenateImages -il three.tif one.tif three.tif
Superimpose -inr inside.tif -inm three.tif -interpolator nn
Superimpose -inr around.tif -inm three.tif -interpolator nn -fv -1
Superimpose -inr around.tif -inm three.tif -interpolator linear -fv -1
Superimpose -inr fine.tif -inm large.tif -interpolator bco
Superimpose -inr coarse.tif -inm large.tif -interpolator bco
Superimpose -inr coarse.tif -inm large.tif -interpolator linear
ManageNoData -in holes.tif
ManageNoData -in holes.tif -usenan true -mode.buildmask.inv 7 -mode.buildmask.outv 3
ManageNoData -in plain.tif -usenan true
ManageNoData -in holes.tif -mode changevalue -mode.changevalue.newv -9
ManageNoData -in holes.tif -usenan true -mode changevalue -mode.changevalue.newv -9
ManageNoData -in plain.tif -usenan true -mode changevalue -mode.changevalue.newv -9
ManageNoData -in three.tif -mode apply -mode.apply.mask mask.tif
"""


def write(path: str, bands: np.ndarray, transform: tuple[float, ...], nodata: float | None = None) -> None:
    rows, columns = bands.shape[1:]
    dataset = gdal.GetDriverByName("GTiff").Create(path, columns, rows, len(bands), gdal.GDT_Float32)
    system = osr.SpatialReference()
    system.ImportFromEPSG(32631)
    dataset.SetProjection(system.ExportToWkt())
    dataset.SetGeoTransform(transform)
    dataset.WriteArray(bands)
    for band in range(len(bands)):
        if nodata is not None:
            dataset.GetRasterBand(band + 1).SetNoDataValue(nodata)


def scene() -> dict[str, tuple[np.ndarray, tuple[float, ...], float | None]]:
    random = np.random.default_rng(7)
    place = (500000, 10, 0, 4800000, 0, -20)
    holes = np.array([[[0, 1, 2, np.nan, 0]], [[0, 0, 2, 3, np.nan]]])
    return {
        "three": (random.random((3, 6, 7)) * 100, place, None),
        "one": (random.random((1, 6, 7)) * 100, place, None),
        "inside": (np.zeros((1, 2, 3)), (500020, 10, 0, 4799980, 0, -20), None),
        "around": (np.zeros((1, 20, 14)), (499970, 7, 0, 4800013, 0, -7), None),
        "large": (random.random((1, 50, 50)) * 100, (499980, 2, 0, 4800020, 0, -2), None),
        "fine": (np.zeros((1, 8, 12)), (500020, 2.5, 0, 4799980, 0, -5), None),
        "coarse": (np.zeros((1, 4, 4)), (500002, 9, 0, 4799998, 0, -9), None),
        "holes": (holes, place, 0.0),
        "plain": (holes, place, None),
        "mask": (np.where(random.random((1, 6, 7)) > 0.4, 2, 0), place, None),
    }


def run(application: str, words: list[str]) -> gdal.Dataset:
    subprocess.run([f"otbcli_{application}", *words, "-out", "out.tif", "double"], check=True, capture_output=True)
    return gdal.Open("out.tif")


def record_band_math() -> None:
    random = np.random.default_rng(5)
    images = [np.round(random.random((3, 6, 7)) * span + low, 3).astype("f4") for span, low in ((10, -2), (4, 0.5))]
    images.append(np.arange(1, 43, dtype="f4").reshape(1, 6, 7))
    for number, bands in enumerate(images, 1):
        write(f"{number}.tif", bands, (500000, 10, 0, 4800000, 0, -20))
    cases = [("BandMathX", text) for text in split(BAND_MATH_X)] + [("BandMath", text) for text in split(BAND_MATH)]
    values = {}
    for number, (application, text) in enumerate(cases):
        found = run(application, ["-il", "1.tif", "2.tif", "3.tif", "-exp", text]).ReadAsArray()
        values[f"values{number}"] = (found if found.ndim == 3 else found[None]).astype("f4")
    names, texts = zip(*cases)
    arrays = {"im1": images[0], "im2": images[1], "applications": np.array(names), "expressions": np.array(texts)}
    np.savez_compressed(HERE / "band_math.npz", **arrays, **values)


def split(text: str) -> list[str]:
    return [part.strip() for line in text.strip().splitlines() for part in line.split(" | ")]


def record_tools() -> None:
    arrays, cases = {}, []
    for name, (bands, transform, nodata) in scene().items():
        arrays[name] = bands.astype("f4")
        write(f"{name}.tif", bands, transform, nodata)
    for number, line in enumerate(TOOLS.replace("\\\n", "").strip().splitlines()):
        application, *words = shlex.split(line)
        dataset = run(application, words)
        found = dataset.ReadAsArray()
        arrays[f"values{number}"] = (found if found.ndim == 3 else found[None]).astype("f4")
        transforms = {name: list(transform) for name, (_, transform, _) in scene().items()}
        nodata = dataset.GetRasterBand(1).GetNoDataValue()
        cases.append({"line": line, "geotransform": list(dataset.GetGeoTransform()), "nodata": nodata})
    nodata = {name: value for name, (_, _, value) in scene().items() if value is not None}
    told = json.dumps({"cases": cases, "geotransforms": transforms, "nodata": nodata})
    np.savez_compressed(HERE / "tools.npz", told=np.array(told), **arrays)


if __name__ == "__main__":
    import os

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        record_band_math()
        record_tools()

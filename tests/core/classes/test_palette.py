"""Colours of classes that have none of their own: to be told apart, the same on every run, and kept with model and map."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import serving
from classifier_scene import pixels, run, train_pixels
from osgeo import gdal

from otbtf_qgis.core.classes.legend import raster_legend
from otbtf_qgis.core.classes.modelclasses import ModelClass
from otbtf_qgis.core.classes.palette import PALETTE, colors_of, coloured
from otbtf_qgis.core.classifiers.classifierfiles import load

# How people without one kind of cone see linear red, green and blue (Machado, Oliveira and Fernandes, 2009).
SIGHTS = (
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
)
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(color: str, sight: np.ndarray) -> np.ndarray:
    rgb = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = XYZ @ (sight @ linear).clip(0, 1) / [0.9505, 1, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_colour_blind_people_can_tell_all_colours_apart() -> None:
    assert len(PALETTE) == len(set(PALETTE)) == 16
    for one, other in itertools.combinations(PALETTE, 2):
        assert min(np.linalg.norm(lab(one, sight) - lab(other, sight)) for sight in SIGHTS) > 13


def test_own_colours_win_and_others_keep_off() -> None:
    names = ["water", "lake", "forest", "a", "b"]
    found = colors_of(names, ["", "", "#0072B5", "#123456", ""])
    assert found[2:4] == ["#0072b5", "#123456"]
    assert "#0072b2" not in found, "too near to the colour that the forest has"
    assert len(set(found)) == 5
    assert colors_of(names, ["#111111"] * 5) == ["#111111"] * 5, "that two are alike is the user's wish"


def test_names_and_numbers_prefer_a_colour() -> None:
    assert colors_of(["Forests", "Open water"], ["", ""]) == ["#009e73", "#0072b2"]
    assert colors_of(["non-forest", "forest"], ["", ""])[1] == "#009e73"
    assert colors_of(["3", "4", "20"], [""] * 3) == [PALETTE[3], PALETTE[4], PALETTE[0]]
    alone = colors_of(["Spargel"], [""])
    assert colors_of(["water", "spargel"], ["", ""])[1:] == alone, "the same in another model"
    assert colors_of(["3", "19"], ["", ""])[0] == PALETTE[3] != colors_of(["3", "19"], ["", ""])[1]


def test_many_classes_have_different_colours() -> None:
    names = [str(number) for number in range(1000)]
    found = colors_of(names, [""] * 1000)
    assert len(set(found)) == 1000 and all(len(color) == 7 for color in found)
    assert found == colors_of(names, [""] * 1000)
    assert coloured((ModelClass(7, "", "#00ff00"), ModelClass(8))) == (
        ModelClass(7, "", "#00ff00"),
        ModelClass(8, "", PALETTE[8]),
    )


def classes_of(path: str) -> dict[int, tuple[str, str]]:
    dataset = gdal.Open(path)
    return {value: (entry.name, entry.color) for value, entry in raster_legend(dataset).items()}


def test_a_classifier_keeps_colours_for_all_its_maps(tmp_path: Path) -> None:
    image = serving.write(tmp_path / "image.tif", pixels())
    model = train_pixels(tmp_path, names={3: "water", 4: "forest", 9: "crop", 20: "x"})
    kept = {item.value: (item.name, item.color) for item in load(model).classes}
    assert ("water", "#0072b2") in kept.values() and ("forest", "#009e73") in kept.values()
    for name in ("one", "two"):
        made = run("ImageClassifier", **{"in": image}, model=model, out=str(tmp_path / f"{name}.tif"))
        assert classes_of(made["out"]) == kept
        dataset = gdal.Open(made["out"])
        band = dataset.GetRasterBand(1)
        colors = band.GetColorTable()
        for value, (_, color) in kept.items():
            assert colors.GetColorEntry(value) == (*bytes.fromhex(color[1:]), 255)
        table = band.GetDefaultRAT()
        assert table.GetRowCount() == 4 and table.GetColumnCount() == 5


def test_maps_of_large_numbers_have_them_in_the_attribute_table(tmp_path: Path) -> None:
    image = serving.write(tmp_path / "image.tif", pixels())
    model = train_pixels(tmp_path, labels=(-3, 4, 900, 70000))
    made = run("ImageClassifier", **{"in": image}, model=model, out=str(tmp_path / "map.tif"))
    assert classes_of(made["out"]) == {item.value: ("", item.color) for item in load(model).classes}
    assert len({color for _, color in classes_of(made["out"]).values()}) == 4


def test_what_only_fills_a_colour_table_is_no_colour(tmp_path: Path) -> None:
    path = str(tmp_path / "labels.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, 2, 2, 1, gdal.GDT_Byte)
    table = gdal.ColorTable()
    table.SetColorEntry(1, (10, 20, 30, 255))
    dataset.GetRasterBand(1).SetColorTable(table)
    dataset = None
    assert classes_of(path) == {1: ("", "#0a141e")}

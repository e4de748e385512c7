"""Whether images fit a model, as its description tells."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from osgeo import gdal, osr

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, as_key, worded
from otbtf_qgis.core.models.inputscaling import InputScaling
from otbtf_qgis.core.models.modelinterface import TensorInfo
from otbtf_qgis.core.models.modelsummary import ModelSummary
from otbtf_qgis.core.models.servingdefaults import ServingDefaults
from otbtf_qgis.core.models.sidecar import AxisNumbers, Geometry, Sidecar
from otbtf_qgis.core.probing.imagefit import Fit, GivenImages, fit_of_images, fit_of_patches

AXIS = AxisNumbers(Fraction(1), 1, 16, 16)
BOTH = Geometry("y", ("pan", "xs"), (1, 4), (Fraction(1), Fraction(1, 4)), (0, 0), x=AXIS, y=AXIS)


def model(geometry: Geometry | None = None, dtype: str = "float32", side: int | None = None) -> ModelSummary:
    inputs = (TensorInfo("pan", (None, side, side, 1), dtype), TensorInfo("xs", (None, side, side, 4), dtype))
    sidecar = Sidecar("", "", "", geometries={"y": geometry} if geometry else {})
    return ModelSummary("Keras", inputs, (TensorInfo("y", (None, None, None, 3), "float32"),), sidecar)


@pytest.fixture
def image(tmp_path: Path):
    def make(bands: int, pixel: float = 1, size: int = 32, kind: int = gdal.GDT_Float32, epsg: int = 32631) -> str:
        path = str(tmp_path / f"{bands}-{pixel}-{size}-{kind}-{epsg}.tif")
        data = gdal.GetDriverByName("GTiff").Create(path, size, size, bands, kind)
        data.SetGeoTransform((500000, pixel, 0, 4800000, 0, -pixel))
        if epsg:
            system = osr.SpatialReference()
            system.ImportFromEPSG(epsg)
            data.SetProjection(system.ExportToWkt())
        return path

    return make


def fit(summary: ModelSummary, *images: str, names: tuple[str, ...] = ("", "")) -> Fit:
    sources = [GivenImages(n, (path,), name) for n, (path, name) in enumerate(zip(images, names), 1)]
    return fit_of_images(summary, "y", sources, "auto", Progress())


def test_what_fits(image) -> None:
    found = fit(model(BOTH), image(1), image(4, 4, 8))
    assert found.misfits == found.remarks == ()
    assert found.images[1] == "Source 2: 4 bands, float32, 8 x 8 pixels of 4 x 4, EPSG:32631"


def test_sources_feed_the_only_order_that_their_bands_allow(image) -> None:
    assert fit(model(), image(4), image(1)).misfits == ()


def test_a_raster_without_georeferencing(tmp_path: Path) -> None:
    path = str(tmp_path / "photo.tif")
    gdal.GetDriverByName("GTiff").Create(path, 32, 32, 4, gdal.GDT_Float32)
    summary = model()
    photo = replace(summary, inputs=summary.inputs[1:])
    (remark,) = fit(photo, path).remarks
    assert remark.startswith("Source 1 has neither a coordinate system nor a geotransform")


@pytest.mark.parametrize(
    ("first", "names", "words"),
    [
        ({"bands": 3}, ("xs",), "Source 1 has 3 bands, but xs takes 4."),
        ({"bands": 1}, ("other",), "The model has no input 'other'; it has pan, xs."),
        ({"bands": 1, "kind": gdal.GDT_CFloat32}, ("pan",), "Source 1 holds complex numbers, but pan takes float32."),
        ({"bands": 1, "epsg": 0}, ("pan",), "has no coordinate system"),
    ],
)
def test_what_does_not_fit(image, first, names, words: str) -> None:
    assert words in " ".join(fit(model(BOTH), image(**first), names=names).misfits)


def test_sources_that_do_not_fit_each_other(image, tmp_path: Path) -> None:
    assert "EPSG:32632" in fit(model(), image(1), image(4, epsg=32632)).misfits[0]
    assert "2 bands" not in " ".join(fit(model(), image(1), str(tmp_path / "none.tif")).misfits)
    assert "none.tif" in fit(model(), image(1), str(tmp_path / "none.tif")).misfits[0]
    found = fit_of_images(model(), "y", [GivenImages(n, (image(1),)) for n in (1, 2, 3)], "auto", Progress())
    assert found.misfits == (
        "The model takes pan of 1 band, xs of 4 bands only, but images are given for 3 sources: remove the surplus.",
    )


def test_what_is_remarked(image) -> None:
    assert "also takes xs of 4 bands" in fit(model(BOTH), image(1)).remarks[0]
    assert "has 8 x 8 pixels, but the model sees 16 x 16" in fit(model(BOTH), image(1, size=8)).remarks[0]
    assert "Source 2 has pixels of 2, but xs was described with 4" in fit(model(BOTH), image(1), image(4, 2)).remarks[0]
    assert "holds float32, but pan takes uint8 (0 to 255)" in fit(model(dtype="uint8"), image(1), image(4)).remarks[0]


@pytest.mark.parametrize(
    ("pixel", "epsg", "remark"),
    [
        (10, 32631, ""),
        (5, 32631, "Source 1 has pixels of 5 m, but the model was trained on 10 m: IMAGES_PIXELSIZE says"),
        (32.8084, 2263, ""),  # US survey feet
        (10, 2263, "Source 1 has pixels of 3.04801 m, but the model was trained on 10 m"),
        (0.0001, 4326, "trained on pixels of 10 m, but those of source 1 are not measured in metres"),
    ],
)
def test_images_of_another_pixel_size_than_in_training(image, pixel: float, epsg: int, remark: str) -> None:
    trained = replace(model(), described=Sidecar("", "", "", serving_defaults=ServingDefaults(pixel_size=10.0)))
    remarks = fit(trained, image(1, pixel, epsg=epsg), image(4, pixel, epsg=epsg)).remarks
    assert (remark in worded(remarks[0], as_key)) if remark else not remarks


def test_pixels_that_are_not_square(image) -> None:
    trained = replace(model(), described=Sidecar("", "", "", serving_defaults=ServingDefaults(pixel_size=10.0)))
    paths = image(1, 10), image(4, 10)
    assert not fit(trained, *paths).remarks
    dataset = gdal.Open(paths[0], gdal.GA_Update)
    dataset.SetGeoTransform((500000, 10, 0, 4800000, 0, -20))
    dataset = None
    (remark,) = fit(trained, *paths).remarks
    assert "10 m wide and 20 m high, but the model was trained on square ones" in remark


def test_images_of_other_values_than_in_training(image) -> None:
    trained = replace(
        model(), described=Sidecar("", "", "", serving_defaults=ServingDefaults(scaling=InputScaling(255)))
    )
    (told,) = fit(trained, image(1, kind=gdal.GDT_Byte), image(4)).remarks
    assert "trained on bytes scaled as pixel / 255, but source 2 holds float32: IMAGES_SCALING" in worded(told, as_key)


def test_patches(image) -> None:
    def of(summary: ModelSummary, path: str, name: str) -> tuple[str, ...]:
        return fit_of_patches(summary, [GivenImages(1, (path,), name)], Progress()).misfits

    assert of(model(side=32), image(4), "xs:0") == ()
    assert of(model(side=16), image(4), "xs") == ("Source 1 has patches of 32 pixels, but xs takes 16.",)
    assert of(model(), image(1), "xs") == ("Source 1 has 1 band, but xs takes 4.",)
    assert of(model(), image(1), "target") == ()


def test_looking_can_be_given_up(image) -> None:
    class GivenUp(Progress):
        def cancelled(self) -> bool:
            return True

    with pytest.raises(Cancelled):
        fit_of_images(model(), "y", [GivenImages(1, (image(1),))], "auto", GivenUp())

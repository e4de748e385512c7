"""Values on their way into a type that does not hold them: clipped and counted, or refused; they never wrap around."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving
from osgeo import gdal
from points import write_points

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.rasters.narrowing import Narrowing, holds_all
from otbtf_qgis.core.registry import run


class TestTypes:
    @pytest.mark.parametrize("source", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"])
    @pytest.mark.parametrize(
        "target",
        ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64"],
    )
    def test_a_type_holds_another_where_its_limits_come_back(self, source: str, target: str) -> None:
        info = np.iinfo(source)
        bits = {"float16": 11, "float32": 24, "float64": 53}
        if target in bits:
            wanted = max(abs(int(info.min)), int(info.max)) <= 2 ** bits[target]
        else:
            wanted = np.iinfo(target).min <= info.min and info.max <= np.iinfo(target).max
        assert holds_all(np.dtype(source), target) == wanted

    @pytest.mark.parametrize(
        ("source", "target", "values", "wanted", "counts"),
        [
            ("int16", "uint8", [300, -1, 7, 255], [255, 0, 7, 255], {"outside": 2}),
            ("uint16", "int8", [300, 127, 128], [127, 127, 127], {"outside": 2}),
            ("int32", "uint16", [-5, 70000, 65535], [0, 65535, 65535], {"outside": 2}),
            ("int64", "int32", [2**40, -(2**40), 5], [2**31 - 1, -(2**31), 5], {"outside": 2}),
            ("uint64", "int64", [2**64 - 1, 2**63 - 1], [2**63 - 1, 2**63 - 1], {"outside": 1}),
            ("float32", "uint8", [300.0, -0.5, 1.5, math.nan, math.inf, 2.0], [255, 0, 1, 0, 255, 2],
             {"outside": 3, "fractions": 2, "without": 1}),
            ("float32", "int32", [3e9, -3e9, 16777216.0], [2147483520, -(2**31), 16777216], {"outside": 2}),
            ("float64", "int64", [1e30, -1e30, 4.0], [2**63 - 1024, -(2**63), 4], {"outside": 2}),
            ("float32", "float16", [1e5, -1e5, 1.0, math.inf], [65504, -65504, 1, math.inf], {"outside": 2}),
            ("float64", "float32", [1e300, 1.0], [float(np.finfo("float32").max), 1.0], {"outside": 1}),
            ("int32", "float32", [2**24 + 1, 2**25, -(2**24) - 1, 2**24], [2**24, 2**25, -(2**24), 2**24], {"rounded": 2}),
            ("int64", "float64", [2**53 + 1, 2**60], None, {}),
            ("uint16", "float16", [65535, 2049, 2050], [65504, 2048, 2050], {"outside": 1, "rounded": 1}),
        ],
    )  # fmt: skip
    def test_values(
        self, source: str, target: str, values: list[Any], wanted: list[Any] | None, counts: dict[str, int]
    ) -> None:
        narrowing = Narrowing(np.dtype(source), target)
        assert narrowing.needed
        found = narrowing(np.array(values, source)[:, None])[:, 0]
        assert found.dtype == source
        if wanted is not None:
            assert found.astype(target).astype("float64").tolist() == [float(value) for value in wanted]
            names = ("outside", "without", "fractions", "rounded")
            assert {name: getattr(narrowing, name) for name in names if getattr(narrowing, name)} == counts

    def test_ignored_values_do_not_count(self) -> None:
        narrowing = Narrowing(np.dtype("int16"), "uint8")
        pixels = np.array([[[300], [-9999]]], "int16")
        assert narrowing(pixels, np.array([[False, True]])).tolist() == [[[255], [0]]]
        assert narrowing.outside == 1


def as_is(folder: Path, dtype: str, bands: int = 1) -> str:
    """Return a model that takes and returns a type."""
    return str(serving.pixelwise(folder / f"net_{dtype}", lambda x: x, bands, dtype))


FIELDS = {"model_fullyconv": "on", "source1_rfieldx": 1, "source1_rfieldy": 1}


class TestServing:
    @pytest.fixture
    def through(self, tmp_path: Path) -> Callable[..., tuple[list[float], serving.Log]]:
        """Serves pixels of a dtype through a model that takes another and returns them as double."""

        def run_(values: list[Any], source: str, target: str, **more: Any) -> tuple[list[float], serving.Log]:
            def body(x: Any) -> Any:
                import tensorflow as tf

                return tf.cast(x, tf.float64)

            image = serving.write(tmp_path / "image.tif", np.array(values, source).reshape(1, -1, 1),
                                  nodata=more.pop("nodata", None))  # fmt: skip
            net, out, log = serving.pixelwise(tmp_path / "net", body, 1, target), tmp_path / "out.tif", serving.Log()
            serving.serve(log, source1_il=image, model_dir=net, out=str(out), **FIELDS, **more)
            return serving.read(out).ravel().tolist(), log

        return run_

    def test_300_is_no_44(self, through: Any) -> None:
        values, log = through([300, -5, 7, 255], "int16", "uint8")
        assert values == [255, 0, 7, 255]
        assert any("2 lie outside of it (0 to 255)" in line and "uint8" in line for line in log.warnings)
        assert any("holds int16" in line and "accepts uint8" in line for line in log.infos)

    def test_real_numbers_into_whole_ones(self, through: Any) -> None:
        values, log = through([300.0, -5.0, 1.7, math.nan, 9.0], "float32", "uint8")
        assert values == [255, 0, 1, 0, 9]
        (told,) = (line for line in log.warnings if "accepts uint8" in line)
        assert "2 lie outside" in told and "1 are NaN" in told and "1 have fractions" in told

    def test_whole_numbers_of_many_digits_into_real_ones(self, through: Any) -> None:
        values, log = through([2**24 + 1, 5], "int32", "float32")
        assert values == [2**24, 5]
        assert any("1 are whole numbers of more digits" in line for line in log.warnings)

    def test_nothing_is_said_where_all_fits(self, through: Any) -> None:
        for source, target in (("int16", "uint8"), ("float32", "int32"), ("int32", "float32"), ("uint8", "float32")):
            values, log = through([0, 7, 255, 100], source, target)
            assert values == [0, 7, 255, 100] and not log.warnings

    def test_a_type_that_numpy_lacks_where_the_field_is_found(self, tmp_path: Path) -> None:
        """bfloat16 has 8 digits of float32's 24: 257 becomes 256."""
        image = serving.write(tmp_path / "image.tif", np.array([[0, 7, 256, 257]], "float32").reshape(1, -1, 1))
        serving.serve(source1_il=image, model_dir=as_is(tmp_path, "bfloat16"), out=str(tmp_path / "out.tif"))
        assert serving.read(tmp_path / "out.tif").ravel().tolist() == [0, 7, 256, 256]

    def test_no_data_does_not_count(self, through: Any) -> None:
        values, log = through([-9999, 7, -9999, 3], "int16", "uint8", nodata=-9999, output_bv=99)
        assert values == [99, 7, 99, 3] and not log.warnings

    @pytest.mark.parametrize(
        ("value", "said"),
        [("300", "outside 0 to 255"), ("-1", "outside 0 to 255"), ("1.5", "not whole"), ("nan", "")],
    )
    def test_user_placeholders_do_not_wrap_around(self, tmp_path: Path, value: str, said: str) -> None:
        import tensorflow as tf

        net = serving.save(
            tmp_path / "net",
            lambda x, number: {"out": x + tf.cast(number, tf.float32)},
            x=([None, None, None, 1], "float32"),
            number=([], "uint8"),
        )
        image = serving.write(tmp_path / "image.tif", np.zeros((4, 4, 1), "float32"))
        with pytest.raises(ParameterError, match=rf"number={value}.*{said}"):
            serving.serve(source1_il=image, model_dir=str(net), out=str(tmp_path / "out.tif"), source1_placeholder="x",
                          model_userplaceholders=f"number={value}", **FIELDS)  # fmt: skip


class TestOutputs:
    @pytest.mark.parametrize(
        ("dtype", "values", "wanted", "clipped"),
        [
            ("int64", [2**40, -(2**40), 5], [2**31 - 1, -(2**31), 5], 2),
            ("uint64", [2**40, 7, 5], [2**32 - 1, 7, 5], 1),
            ("int8", [-128, 127, 5], [-128, 127, 5], 0),
            ("int64", [2**31 - 1, -(2**31), 5], [2**31 - 1, -(2**31), 5], 0),
        ],
    )
    def test_auto_counts_what_it_clips(
        self, tmp_path: Path, dtype: str, values: list[int], wanted: list[int], clipped: int
    ) -> None:
        def body(x: Any) -> Any:
            import tensorflow as tf

            return tf.cast(x, dtype)

        image = serving.write(tmp_path / "image.tif", np.array(values, "float64").reshape(1, -1, 1))
        log, out = serving.Log(), tmp_path / "out.tif"
        net = serving.pixelwise(tmp_path / "net", body, 1, "float64")
        serving.serve(log, source1_il=image, model_dir=net, out=str(out), **FIELDS)
        assert serving.read(out).ravel().tolist() == wanted
        told = [line for line in log.warnings if "were outside" in line]
        assert bool(told) == bool(clipped) and all(line.startswith(f"{clipped} values") for line in told)

    def test_a_type_that_is_asked_for_counts_too(self, tmp_path: Path) -> None:
        image = serving.write(tmp_path / "image.tif", np.array([300.0, -5.0, 255.9, 7.5, -0.5]).reshape(1, -1, 1))
        log, out = serving.Log(), tmp_path / "out.tif"
        serving.serve(log, source1_il=image, model_dir=as_is(tmp_path, "float64"), out=str(out), out_pixeltype="uint8",
                      **FIELDS)  # fmt: skip
        assert serving.read(out).ravel().tolist() == [255, 0, 255, 7, 0]
        assert any(line.startswith("2 values were outside of 0 to 255") for line in log.warnings)


class TestPatches:
    @pytest.mark.parametrize("where", ["image", "records", "both"])
    def test_a_smaller_type_clips_and_counts(self, tmp_path: Path, where: str) -> None:
        pixels = np.full((20, 20, 1), 7, "int16")
        pixels[8:12, 8:12] = 300
        image = serving.write(tmp_path / "image.tif", pixels)
        vec = write_points(tmp_path / "p.gpkg", [(serving.ORIGIN[0] + 100, serving.ORIGIN[3] - 100)], serving.UTM,
                           **{"class": [1]})  # fmt: skip
        values = {"source1.il": [image], "source1.patchsizex": 8, "source1.patchsizey": 8, "vec": vec, "field": "class",
                  "source1.out.pixeltype": "uint8"}  # fmt: skip
        if where in ("image", "both"):
            values["source1.out"] = str(tmp_path / "patches.tif")
        if where in ("records", "both"):
            values["out.tfrecords"] = str(tmp_path / "records")
        log = serving.Log()
        run("PatchesExtraction", values, log)
        assert any("Source 1: 16 values were outside of 0 to 255" in line for line in log.warnings)
        wanted = np.clip(pixels[6:14, 6:14, 0], 0, 255)
        if where != "records":
            np.testing.assert_array_equal(gdal.Open(values["source1.out"]).ReadAsArray(), wanted)
        if where != "image":
            from otbtf_qgis.core.tfrecords import TFRecords

            batch = next(iter(TFRecords(values["out.tfrecords"]).read(1, target_keys=["label"])))
            np.testing.assert_array_equal(np.asarray(batch[0]["source1"])[0, ..., 0], wanted)


class TestTraining:
    def samples(self, folder: Path, values: np.ndarray) -> dict[str, Any]:
        """Write patches of 4 x 4 and their labels."""
        patches = np.repeat(values, 16).reshape(-1, 4, 1)
        paths = [str(folder / "patches.tif"), str(folder / "labels.tif")]
        for path, array in zip(paths, (patches, (np.arange(len(values)) % 2).astype("uint8").reshape(-1, 1, 1))):
            serving.write(Path(path), array)
        return {"training.source1.il": [paths[0]], "training.source2.il": [paths[1]]}

    def keras_model(self, folder: Path, dtype: str) -> str:
        import keras

        inputs = keras.Input((4, 4, 1), dtype=dtype)
        scaled = keras.layers.Rescaling(1 / 255)(inputs)
        outputs = keras.layers.Dense(2, activation="softmax")(keras.layers.GlobalAveragePooling2D()(scaled))
        keras.Model(inputs, outputs).save(folder / "model.keras")
        return str(folder / "model.keras")

    @pytest.mark.parametrize(
        ("source", "values", "said"),
        [
            ("int16", [300, 5, 7, 9], "16 lie outside of it"),
            ("float32", [1.5, 5, 7, 9], "16 have fractions"),
            ("float32", [math.nan, 5, 7, 9], "16 are NaN"),
            ("int16", [255, 5, 7, 9], ""),
        ],
    )
    def test_a_keras_model_of_bytes(self, tmp_path: Path, source: str, values: list[float], said: str) -> None:
        given = self.samples(tmp_path, np.array(values, source))
        given.update({"model.dir": self.keras_model(tmp_path, "uint8"), "training.epochs": 1,
                      "out.keras": str(tmp_path / "out.keras")})  # fmt: skip
        if said:
            with pytest.raises(ParameterError, match=f"TRAINING_SOURCE1_IL holds {source}.*uint8.*{said}"):
                run("TensorflowModelTrain", given, serving.Log())
        else:
            run("TensorflowModelTrain", given, serving.Log())

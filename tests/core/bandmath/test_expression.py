from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("tensorflow")

import keras
import serving

from otbtf_qgis.core import registry
from otbtf_qgis.core.bandmath.expression import Expression
from otbtf_qgis.core.bandmath.expressionlayer import BandArithmetic
from otbtf_qgis.core.bandmath.syntax import MOST_LEVELS, MOST_WORDS, parse
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import OtbtfError, ParameterError
from otbtf_qgis.core.models.loading import load_model
from otbtf_qgis.core.patches.imagestatistics import computed_statistics, variables_of
from otbtf_qgis.core.rasters.rasterstack import Stack

A = np.random.default_rng(0).random((4, 5, 3)) * 10 - 2
B = np.random.default_rng(1).random((4, 5, 3)) * 4 + 0.5
A1, A2, A3 = A[..., :1], A[..., 1:2], A[..., 2:]
B1, B2 = B[..., :1], B[..., 1:2]
STATISTICS = {"im1b1Mini": -2.0, "im1b1Maxi": 8.0, "im1b1Mean": 3.0, "im1b1Sum": 60.0, "im2b2Var": 4.0}


def compute(text, images=(A, B), statistics=STATISTICS):
    tensors = [np.asarray(image, "float32") for image in images]
    expression = Expression(text)
    bands = expression.check([image.shape[-1] for image in tensors])
    found = np.asarray(expression.compute(keras.ops, tensors, statistics))
    assert found.shape == (*tensors[0].shape[:-1], bands)
    return found


def check(text, expected):
    expected = np.broadcast_to(expected, (*A.shape[:-1], np.shape(expected)[-1] if np.ndim(expected) else 1))
    np.testing.assert_allclose(compute(text), expected, rtol=1e-4, atol=1e-5)


# What each returns was compared with otbcli_BandMathX of OTB 8.1.1, but for asin, acos and atan, which that lacks.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("im1", A),
        ("im1b2", A2),
        ("im1b1 + 1", A1 + 1),
        ("im1 + im2", A + B),
        ("im1 - im2", A - B),
        ("im1 + {1, 2, 3}", A + [1, 2, 3]),
        ("im1b1 - im1b2 - im1b3", A1 - A2 - A3),
        ("im1b1 / im2b1 / im2b2 * 2", A1 / B1 / B2 * 2),
        ("im1b1 + im1b2 * im1b3 ^ 2", A1 + A2 * A3**2),
        ("-im1b1^2", -(A1**2)),
        ("2^3^2", [512]),
        ("2^-1", [0.5]),
        ("-2*-im2b1", 2 * B1),
        ("1 - -1", [2]),
        ("7/2", [3.5]),
        ("im1*2", A * 2),
        ("2*im1", A * 2),
        ("im1 mlt 2", A * 2),
        ("im1 mlt im2b1", A * B1),
        ("im1 mlt {2}", A * 2),
        ("im1 dv im2b1", A / B1),
        ("im1 pw 2", A**2),
        ("im2 pw 2 pw 3", B**6),
        ("im1 mlt 2 ^ 2", A * 4),
        ("im1 mult im2", A * B),
        ("im1 div im2", A / B),
        ("im2 pow im2", B**B),
        ("pow(2, 3)", [8]),
        ("im1b1 > 2 ? 1 : 0", A1 > 2),
        ("im1b1 > 2 ? 1 : im1b1 > 0 ? 2 : 3", np.where(A1 > 2, 1, np.where(A1 > 0, 2, 3))),
        ("im1b1 > 2 ? im1b2 > 1 ? 1 : 2 : 3", np.where(A1 > 2, np.where(A2 > 1, 1, 2), 3)),
        ("im1b1 > 2 ? im1 : im2", np.where(A1 > 2, A, B)),
        ("im1b1 >= im1b1 and im1b1 <= im1b1 ? 5 : 6", [5]),
        ("im1b1 > 2 && im1b2 > 2 ? 5 : 6", np.where((A1 > 2) & (A2 > 2), 5, 6)),
        ("im1b1 > 2 || im1b2 > 2 ? 5 : 6", np.where((A1 > 2) | (A2 > 2), 5, 6)),
        ("1 > 2 or 3 < 4 and 5 > 6 ? 5 : 6", [6]),
        ("1 < 2 == 3 < 4 ? 5 : 6", [5]),
        ("im1b1 != im2b1 ? 1 : 2", [1]),
        ("true ? 1 : 2", [1]),
        ("false ? 1 : 2", [2]),
        ("sin(im1b1); cos(im1b1); tan(im1b1)", np.concatenate([np.sin(A1), np.cos(A1), np.tan(A1)], -1)),
        ("sinh(im2b1); cosh(im2b1); tanh(im2b1)", np.concatenate([np.sinh(B1), np.cosh(B1), np.tanh(B1)], -1)),
        ("asin(im2b1/9); acos(im2b1/9); atan(im1b1)", np.concatenate([np.arcsin(B1 / 9), np.arccos(B1 / 9), np.arctan(A1)], -1)),
        ("asinh(2); acosh(2); atanh(0.5)", [math.asinh(2), math.acosh(2), math.atanh(0.5)]),
        ("exp(im1b2); sqrt(im2b1); abs(im1b1)", np.concatenate([np.exp(A2), np.sqrt(B1), np.abs(A1)], -1)),
        ("ln(im2b1); log(im2b1)", np.concatenate([np.log(B1)] * 2, -1)),
        ("log2(im2b1); log10(im2b1)", np.concatenate([np.log2(B1), np.log10(B1)], -1)),
        ("vcos(im1); vsin(im1)", np.concatenate([np.cos(A), np.sin(A)], -1)),
        ("vsqrt(im2); vlog(im2); vlog10(im2)", np.concatenate([np.sqrt(B), np.log(B), np.log10(B)], -1)),
        ("vabs(im1); vexp(im2); vtanh(im1)", np.concatenate([np.abs(A), np.exp(B), np.tanh(A)], -1)),
        ("min(im1b1, im1b2, 3)", np.minimum(np.minimum(A1, A2), 3)),
        ("max(im1b1, im1b2, 3)", np.maximum(np.maximum(A1, A2), 3)),
        ("sum(1, 2, im1b1)", 3 + A1),
        ("vmin(im1); vmax(im1)", np.stack([A.min(-1), A.max(-1)], -1)),
        ("vnorm(im1)", np.linalg.norm(A, axis=-1, keepdims=True)),
        ("vect2scal(vmin(im1)) + 1", A.min(-1, keepdims=True) + 1),
        ("mean(im1); var(im1)", np.stack([A.mean(-1), A.var(-1)], -1)),
        ("mean(im1, im2)", np.stack([A.mean(-1), B.mean(-1)], -1)),
        ("mean(im1b1); var(im1b1)", np.concatenate([A1, 0 * A1], -1)),
        ("median(im1); median({1, 2, 3, 4})", np.stack([np.median(A, -1), np.full((4, 5), 3.0)], -1)),
        ("corr({1, 2, 3}, {1, 2, 4})", [0.9819805]),
        ("dotpr(im1, im2)", (A * B).sum(-1, keepdims=True)),
        ("dotpr(im1, im2, im1)", np.stack([(A * B).sum(-1), (A * A).sum(-1)], -1)),
        ("ndvi(im2b1, im2b2)", (B2 - B1) / (B2 + B1)),
        ("ndvi(0, 0)", [0]),
        ("bands(im1, {3, 1, 1})", A[..., [2, 0, 0]]),
        ("bands({5, 6, 7}, {3})", [7]),
        ("{im1b1, 2}", np.concatenate([A1, 0 * A1 + 2], -1)),
        ("cat(im1, im2b1, 4)", np.concatenate([A, B1, 0 * A1 + 4], -1)),
        ("im1; im2b1", np.concatenate([A, B1], -1)),
        ("pi; e", [math.pi, math.e]),
        ("1e-3; 1.5E2; .5; 2.", [1e-3, 150, 0.5, 2]),
        ("(im1b1 - im1b1Mini) / (im1b1Maxi - im1b1Mini)", (A1 + 2) / 10),
        ("im1b1Mean; im1b1Sum; sqrt(im2b2Var)", [3, 60, 2]),
        # ours: numbers and vectors together
        ("im1 + 1", A + 1),
        ("vmax(im1) + 1", A.max(-1, keepdims=True) + 1),
        ("im1 / 2", A / 2),
        ("im1b1 mlt 2", A1 * 2),
        ("im1b1 > 2 ? im1 : 0", np.where(A1 > 2, A, 0)),
    ],
)  # fmt: skip
def test_values(text, expected):
    check(text, expected)


def test_what_is_not_defined_is_nan():
    assert np.isnan(compute("sqrt(-1); ln(-1); 0/0")).all()
    image = np.full((2, 2, 1), np.nan)
    np.testing.assert_array_equal(compute("1; im1b1 > 0 ? 1 : 2", [image]), np.broadcast_to([1, 2], (2, 2, 2)))


# ------------------------------------------------------------- properties

NUMBERS = st.sampled_from(["1", "2.5", "0.5", "im1b1", "im1b2", "im2b1", "im1b1Maxi"])
VALUES = {"im1b1": A1, "im1b2": A2, "im2b1": B1, "im1b1Maxi": 8.0}


def numbers(parts):
    operators = st.sampled_from(["+", "-", "*"])
    return st.one_of(
        st.tuples(operators, parts, parts),
        st.tuples(st.just("neg"), parts),
        st.tuples(st.just("?:"), parts, parts, parts, parts),
        st.tuples(st.sampled_from(["min", "max"]), parts, parts),
    )


TREES = st.recursive(NUMBERS, numbers, max_leaves=12)
_LEVEL = {"+": 1, "-": 1, "neg": 2, "*": 2}


def written(tree, brackets):
    """Return the text of a tree: with all brackets, or only with those that it needs."""
    if isinstance(tree, str):
        return tree
    head, *parts = tree
    texts = [written(part, brackets) for part in parts]
    if head in ("min", "max"):
        return f"{head}({', '.join(texts)})"
    if head == "?:":
        return f"({texts[0]} < {texts[1]} ? {texts[2]} : {texts[3]})"
    own = _LEVEL[head]
    for index, part in enumerate(parts):
        inner = 9 if isinstance(part, str) else _LEVEL.get(part[0], 9)
        if brackets or inner < own or (inner == own and (index or head == "neg")):
            texts[index] = f"({texts[index]})"
    return f"-{texts[0]}" if head == "neg" else f"{texts[0]} {head} {texts[1]}"


def value(tree):
    if isinstance(tree, str):
        return VALUES[tree] if tree in VALUES else float(tree)
    head, *parts = tree
    found = [np.asarray(value(part), "float32") for part in parts]
    if head == "neg":
        return -found[0]
    if head == "?:":
        return np.where(found[0] < found[1], found[2], found[3])
    return {"+": np.add, "-": np.subtract, "*": np.multiply, "min": np.minimum, "max": np.maximum}[head](*found)


@given(TREES)
def test_any_expression_has_the_value_of_its_tree(tree):
    expected = np.broadcast_to(value(tree), (4, 5, 1))
    for brackets in (True, False):
        found = compute(written(tree, brackets))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * max(1.0, float(np.abs(expected).max())))


@given(st.text(alphabet="im12b+-*/^<>=?:;,(){} &|.eMaxidvwplt", max_size=30))
def test_any_text_is_an_expression_or_an_error(text):
    try:
        found = Expression(text).check((3, 3))
    except ParameterError as error:
        assert str(error).startswith("The expression, character ")
    else:
        assert found >= 1


# ------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "character 1: a number, a variable, a function or a bracket is missing; found the end"),
        (
            "im1b1 +",
            "character 8: a number, a variable, a function or a bracket is missing; found the end. Here: im1b1 +>>>",
        ),
        ("im1b1 ;", "character 8: a number"),
        ("2 $ 3", "character 3: '$' has no meaning in expressions. Here: 2 >>>$ 3"),
        ("im1 im2", "character 5: 'im2' is unexpected: is an operator missing before it?"),
        ("im1b1)", "character 6: ')' is unexpected"),
        ("(im1b1", "character 7: ')' is missing for the '(' at 1; found the end"),
        ("(1 > 2 ? 3", "':' is missing for the '?' at 8"),
        ("min(1, 2", "')' is missing for the '(' at 4"),
        ("im1b0", "'im1b0' is unknown"),
        ("im1b4", "character 1: im1b4 does not exist: im1 has 3 bands"),
        ("1 + im3b1", "character 5: im3b1 refers to image 3, but the number of images is 2"),
        ("mean(im1b1N3x3)", "im1b1N3x3: a model computes each pixel by itself"),
        ("idxX", "idxX: a model does not know the position of a pixel"),
        ("sine(1)", "BandMathX has no function 'sine' here. Did you mean sin?"),
        ("pow(1)", "'pow' takes 2 values, but has 1"),
        ("dotpr(im1)", "'dotpr' takes at least 2 values, but has 1"),
        ("cos(im1)", "'cos' takes numbers, but this is a vector of 3: vcos takes vectors"),
        ("im1 * im2", "multiplied by mult"),
        ("im1 / im2", "band by band it is div"),
        ("im1 mlt im2", "band by band it is mult"),
        ("im1^2", "a vector's bands are raised by pw or pow"),
        (
            "im1 + {1, 2}",
            "'+' takes vectors with the same number of bands, but these are a vector of 3 and a vector of 2",
        ),
        ("im1 div {1, 2}", "these are a vector of 3 and a vector of 2"),
        ("im1 > 2", "'>' takes numbers, but this is a vector of 3: compare its bands one by one"),
        ("im1b1 > 2", "the result is a comparison, not a number: write (... ? 1 : 0)"),
        ("(im1b1 > 2) + 1", "'+' does not take a comparison: convert it to a number with (... ? 1 : 0)"),
        ("im1b1 ? 1 : 2", "takes a comparison before the ?"),
        ("im1b1 and 1 ? 1 : 2", "'and' takes comparisons"),
        ("im1b1 > 2 ? im1 : {1, 2}", "'?:' takes vectors with the same number of bands"),
        ("{im1, 1}", "curly brackets hold numbers, but this is a vector of 3: use cat"),
        ("bands(im1, {4})", "whole numbers from 1 to 3"),
        ("bands(im1, {im1b1})", "whole numbers from 1 to 3"),
        ("bands(im1, 2)", "the numbers of its bands in curly brackets"),
        ("vect2scal(im1)", "only a vector of one band is one"),
        ("(" * (MOST_LEVELS + 1) + "1" + ")" * (MOST_LEVELS + 1), "levels of brackets"),
        ("-" * (MOST_LEVELS + 1) + "1", "signs: simplify the expression"),
        ("+".join(["1"] * MOST_WORDS), "words: split the expression"),
    ],
)
def test_errors_say_where_and_why(text, message):
    with pytest.raises(ParameterError) as caught:
        Expression.of_pixels(text).check((3, 3))
    assert message in str(caught.value) and str(caught.value).startswith("The expression, character ")


def test_the_longest_expression_is_computed():
    text = "+".join(["im1b1"] * (MOST_WORDS // 2 - 1))
    np.testing.assert_allclose(compute(text), A1.astype("float32") * (MOST_WORDS // 2 - 1), rtol=1e-4)
    deep = "(" * (MOST_LEVELS - 1) + "1" + ")" * (MOST_LEVELS - 1)
    assert parse(deep)


# ------------------------------------------------------------- the layer, and statistics


def test_the_layer_is_saved_with_its_statistics(tmp_path):
    images = [keras.Input((None, None, 3), name=f"source{number}") for number in (1, 2)]
    layer = BandArithmetic("im1 dv im1b1Maxi; im2b1", {"im1b1Maxi": 8.0, "im9b9Sum": 1.0}, name="values")
    model = keras.Model(images, layer(images))
    assert model.output.shape == (None, None, None, 4) and model.output.dtype == "float32"
    model.save(tmp_path / "net.keras")
    found = load_model(str(tmp_path / "net.keras"))._keras
    assert found.get_layer("values").get_config()["statistics"] == {"im1b1Maxi": 8.0}
    expected = np.concatenate([A / 8, B1], -1)
    np.testing.assert_allclose(found.predict([A[None], B[None]], verbose=0)[0], expected, rtol=1e-5)


def test_the_layer_wants_all_statistics():
    with pytest.raises(
        ParameterError, match="EXPRESSION holds im2b1Var, which are statistics of images: give the images"
    ):
        BandArithmetic("im2b1 / im2b1Var")


def test_statistics_are_those_of_the_image(tmp_path):
    pixels = serving.texture(70, 30, 2)
    pixels[3:6, 4:9] = -9.0
    pixels[10, 10, 0] = np.nan
    stack = Stack([serving.write_at(tmp_path / "image.tif", pixels, nodata=-9.0)])
    found = variables_of(2, computed_statistics(stack, stack.missing(), Progress()))
    for band, (statistic, function) in itertools.product(
        (1, 2), {"Mini": np.min, "Maxi": np.max, "Mean": np.mean, "Sum": np.sum, "Var": np.var}.items()
    ):
        known = pixels[..., band - 1][(pixels[..., band - 1] != -9.0) & np.isfinite(pixels[..., band - 1])]
        expected = function(known.astype("float64"), **({"ddof": 1} if statistic == "Var" else {}))
        np.testing.assert_allclose(found[f"im2b{band}{statistic}"], expected, rtol=1e-9)


def test_statistics_without_a_number(tmp_path):
    stack = Stack([serving.write_at(tmp_path / "image.tif", np.full((4, 4, 1), np.nan, "float32"))])
    with pytest.raises(OtbtfError, match="Band 1 of image 1 holds no number"):
        variables_of(1, computed_statistics(stack, stack.missing(), Progress()))


def test_the_tutorials_normalization(tmp_path):
    pixels = serving.texture(33, 21, 2, dtype="uint16") + 1
    path = serving.write_at(tmp_path / "image.tif", pixels)
    expression = "im1b1 / im1b1Maxi; im1b2 / im1b2Maxi"
    values = {"template": "band_arithmetic", "expression": expression, "source1.il": [path]}
    found = registry.run("CreateModel", {**values, "out.savedmodel": str(tmp_path / "saved")})
    assert found["verdict"] == "pixel-wise"
    served = serving.served(tmp_path, found["out.savedmodel"], path)
    np.testing.assert_allclose(served, pixels / pixels.max(axis=(0, 1)), rtol=1e-6)

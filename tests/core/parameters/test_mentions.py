"""Messages name fields below the operations, keys when they leave a run, and labels in QGIS's dialogs."""

from __future__ import annotations

import pickle

import pytest

from otbtf_qgis.core.base.progress import Passed, Progress
from otbtf_qgis.core.errors import ParameterError, RasterError, as_key, field, worded
from otbtf_qgis.core.operations.imageclassifierfromdeepfeatures import ImageClassifierFromDeepFeatures
from otbtf_qgis.core.operations.tensorflowmodelserve import TensorflowModelServe
from otbtf_qgis.core.operations.tensorflowmodeltrain import TensorflowModelTrain
from otbtf_qgis.core.parameters.mentions import key_at, shown, with_keys


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("out_nodata", "OUT_NODATA"),
        ("model_dir", "MODEL_DIR"),
        ("sources[2].il", "SOURCE2_IL"),
        ("validation_sources[1].il", "VALIDATION_SOURCE1_IL"),
        ("=model.dir", "MODEL_DIR"),
    ],
)
def test_a_path_as_a_key(path: str, key: str) -> None:
    assert as_key(path) == key


def test_an_error_has_keys_as_text_and_tells_its_fields() -> None:
    error = RasterError(f"{field('out_nodata')} is 300, but {field('il', of='sources', number=2)} is uint8.")
    assert str(error) == "OUT_NODATA is 300, but SOURCE2_IL is uint8."
    assert error.fields == ("out_nodata", "sources[2].il")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # nosec B301
    assert str(ParameterError()) == ""


@pytest.mark.parametrize(
    ("operation", "path", "name"),
    [
        (TensorflowModelServe, "model_dir", "model.dir"),
        (ImageClassifierFromDeepFeatures, "model_dir", "deepmodel.dir"),
        (TensorflowModelServe, "sources[12].il", "source12.il"),
        (TensorflowModelTrain, "sources[2].il", "training.source2.il"),
        (TensorflowModelTrain, "validation_sources[1].il", "validation.source1.il"),
        (TensorflowModelServe, "=source2.il", "source2.il"),
    ],
)
def test_the_key_of_a_field(operation: type, path: str, name: str) -> None:
    key = key_at(path, operation)
    assert key is not None and key.name == name


@pytest.mark.parametrize("path", ["no_such", "sources[1].no_such", "no_such[1].il", "=no.such"])
def test_what_an_operation_does_not_have_stays_as_it_is(path: str) -> None:
    assert key_at(path, TensorflowModelServe) is None
    assert worded(with_keys(field(path), TensorflowModelServe), str) == path


def test_a_form_shows_labels() -> None:
    message = with_keys(
        f"{field('model_dir')} is missing, {field('il', of='sources', number=2)} too.", TensorflowModelServe
    )
    told = shown(message, TensorflowModelServe, lambda key: f"<{key.label}>")
    assert told == "<Model> is missing, <Source 2: images> too."


def test_whoever_passes_lines_on_keeps_what_they_keep() -> None:
    class Keeping(Progress):
        keeps_mentions = True

    assert Passed(Keeping()).keeps_mentions and not Passed(Progress()).keeps_mentions

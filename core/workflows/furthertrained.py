"""A model that a workflow trains further: what cannot make a map of classes is refused before samples are made."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError, ParameterError, field
from ..models.modelfiles import is_keras, is_onnx
from ..models.sidecar import read_sidecar
from ..parameters import detectionmaps


def check_trains_classes(model_dir: str) -> None:
    """Look at a model's files, without loading it.

    Args:
        model_dir: MODEL_DIR, which exists.

    Raises:
        ParameterError: it is no Keras model, or a detector.
    """
    if is_onnx(Path(model_dir)) or not is_keras(model_dir):
        raise ParameterError(
            "{model_dir} is {path}, but must be a Keras model, which can be trained: give a .keras file, or a SavedModel that "
            "TensorflowModelTrain wrote.",
            model_dir=field("model_dir"),
            path=model_dir,
        )
    try:
        sidecar = read_sidecar(model_dir)
    except ModelError:  # the training tells of it
        return
    if sidecar is not None and detectionmaps.OUTPUT in {*sidecar.geometries, *sidecar.losses}:
        raise ParameterError(
            "{model_dir} is {path}, a detector, which finds objects and makes no map: apply it with otbtf:detectobjects, or "
            "choose another model.",
            model_dir=field("model_dir"),
            path=model_dir,
        )

"""The output of a detector that holds the masks of its objects: found by its name and shape, before anything is computed.

- TensorFlow's Object Detection API (`exporter_lib_v2.py`): `detection_masks`, a mask for each object, of its box or of the
  whole image.
- torchvision's Mask R-CNN (`GeneralizedRCNNTransform.postprocess`): `masks`, one of the whole image for each object.
- YOLOv5, YOLOv8 and later for instances (`Segment` and `Proto` in Ultralytics' `nn/modules`): prototypes, maps with a
  quarter of the image's rows and columns. The last values of each row or column of boxes are their coefficients in the mask.
"""

from __future__ import annotations

from .modelinterface import ModelInterface, TensorInfo

NAMES = {"tensorflow": "detection_masks", "torchvision": "masks"}
"""Name that the output with a mask for each object usually has, by the form of the detector."""

PROTOTYPED = ("yolov5", "yolov8", "suppressed")
"""Forms of detectors that may return prototypes of masks."""

STRIDE = 4
"""Pixels of the image for each one of prototypes."""

FIRST = (0, 3, 1, 2)
"""Order of dimensions that moves bands from the last place to the second."""


def masks_output(model: ModelInterface, form: str) -> str:
    """Return the name of the output that holds masks or their prototypes; empty where there is none.

    Args:
        model: the model.
        form: of the detector, a key of `FORMS`.
    """
    if form in NAMES:
        named = model.outputs.get(NAMES[form])
        if named is not None and named.holds_numbers and named.rank in (None, 3, 4):
            return named.name
        return _unnamed_masks(model) if form == "torchvision" else ""
    if form not in PROTOTYPED:
        return ""
    maps = prototype_maps(model)
    return maps[0].name if len(maps) == 1 else ""


def _unnamed_masks(model: ModelInterface) -> str:
    """Return the only output that may be masks of one band each, as torchvision's exporter leaves it without a name."""
    found = [info for info in model.outputs.values() if info.rank == 4 and info.holds_numbers]
    return found[0].name if len(found) == 1 and _own_shape(model, found[0])[1] in (1, None) else ""


def prototypes(model: ModelInterface) -> int | None:
    """Return the number of prototypes, of which a row or column of boxes has a coefficient each; 0 without, None if unknown."""
    maps = prototype_maps(model)
    if len(maps) != 1:
        return 0
    return _own_shape(model, maps[0])[1 if prototypes_first(model) else 3]


def prototypes_first(model: ModelInterface) -> bool:
    """Return whether prototypes have the shape batch x prototypes x height x width in the file, as its images have."""
    return bool(model.bands_first or model.transposed)


def prototype_maps(model: ModelInterface) -> list[TensorInfo]:
    """Return the outputs that may be prototypes: images whose sides, as far as they are known, are a quarter of the input's."""
    images = [info for info in model.inputs.values() if info.rank == 4]
    if len(images) != 1:
        return []
    (image,) = images
    first = bool(model.bands_first and image.name in model.bands_first)  # where it is transposed, bands are the last
    wanted = image.size(2 if first else 1), image.size(3 if first else 2)
    return [
        info for info in model.outputs.values() if info.rank == 4 and info.holds_numbers and _fits(model, info, wanted)
    ]


def _fits(model: ModelInterface, info: TensorInfo, image: tuple[int | None, int | None]) -> bool:
    shape, start = _own_shape(model, info), 2 if prototypes_first(model) else 1
    pairs = zip(shape[start : start + 2], image)
    return all(side is None or whole is None or STRIDE * side == whole for side, whole in pairs)


def _own_shape(model: ModelInterface, info: TensorInfo) -> tuple[int | None, ...]:
    """Return the shape that an output of four dimensions has in the file."""
    shape = info.shape or ()
    return tuple(shape[place] for place in FIRST) if model.moves_bands(info.name) else shape

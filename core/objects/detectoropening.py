"""Opening a detector and its image: what the outputs of the model are, the size of tiles, the classes to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..base.progress import Progress
from ..classes.legend import ClassEntry, Legend
from ..classes.modelclasses import Classes
from ..classes.palette import coloured
from ..errors import ModelError, ParameterError, field
from ..machine import preloading
from ..machine.devices import device_scope
from ..models.detectorhead import DetectorHead, described_outputs, detector_head, head_of, metadata
from ..models.modelfiles import split_tags
from ..models.modelinterface import Model, TensorInfo
from ..models.sidecar import read_sidecar
from ..models.unbatched import with_batches
from ..operations.detectobjects import DetectObjects
from ..parameters.nodatarules import WITHOUT_BANDS
from ..phrases import Phrase
from ..probing.sources import ModelInputs, OpenSource, assign_inputs, open_sources, settle_sources
from ..probing.usersettings import GeometrySettings, ModelSettings, SourceSettings, SourcesSettings
from ..rasters.narrowing import Narrowing
from ..samples.mapmask import open_mask
from ..serving.imageadaptation import adapted
from ..serving.servesettings import ServeSettings, TilingSettings
from .decoding import Decoder
from .detector import PADDING, Detector
from .detectortensors import check_tensors
from .maskdecoding import MaskDecoder

_USUAL = 640
"""Width and height of tiles where neither the model nor the user tells them: of most detectors' training."""

_SCALED = ("torchvision", "yolov5", "yolov7", "yolov8", "yolov8_obb", "suppressed", "suppressed_obb")
"""Forms of models that are trained on values from 0 to 1."""


def open_detector(parameters: DetectObjects, progress: Progress) -> Detector:
    """Open image and model, and find out what the model returns.

    Args:
        parameters: of the run.
        progress: told what was found.

    Raises:
        ParameterError, RasterError, ModelError: bad input.
    """
    settings, sources = _adapted(parameters, progress)
    preloading.wait(leaving=0 if parameters.model_dir.endswith(".keras") else 1)
    # These import TensorFlow, so not sooner.
    from ..probing.compute import Compute
    from ..probing.modelcache import loaded_model

    scope = device_scope(parameters.device)
    loaded = loaded_model(settings.model, scope)
    model = with_batches(loaded.model)
    head = asked_head(parameters, model)
    sidecar = read_sidecar(model.path, split_tags(parameters.model_tagsets))
    outlines = MaskDecoder(head, model) if parameters.geometry == "outlines" else None
    outputs = [*head.all_outputs, head.masks] if outlines is not None else list(head.all_outputs)
    check_tensors(model, parameters.model_userplaceholders, outputs)
    sources = settle_sources(
        model, parameters.model_userplaceholders, settings.sources, sources, outputs[0], sidecar, progress
    )
    inputs = assign_inputs(model, parameters.model_userplaceholders, sources, outputs)
    known = metadata(model)
    classes: Classes = known.objects or (sidecar.classes_of(head.outputs[-1:]) if sidecar else ())
    legend = {item.value: ClassEntry(item.name, item.color) for item in coloured(classes)}
    stack = sources[0].stack
    detector = Detector(
        model,
        head,
        sources[0],
        _tile_size(parameters, model, inputs.images[0], known.size, progress),
        legend,
        chosen_classes(parameters.classes, legend, progress),
        # What a warm engine has traced serves again, unless the model is adapted here.
        loaded.compute(inputs, outputs, sources, scope)[1]
        if model is loaded.model
        else Compute(model, inputs, outputs, sources, scope),
        Decoder(head, model.path, parameters.score, _most_objects(model, head), [item.value for item in classes]),
        Narrowing(sources[0].dtype, inputs.images[0].dtype),
        open_mask(parameters, stack.grid, stack.reference, stack.names[0], progress),
        outlines,
    )
    _tell(detector, inputs, settings, parameters, progress)
    return detector


def _adapted(parameters: DetectObjects, progress: Progress) -> tuple[ServeSettings, list[OpenSource]]:
    """Return settings and sources with the scaling and the pixel size that the model asks for."""
    settings = ServeSettings(
        SourcesSettings(
            (SourceSettings(parameters.il, "", parameters.nodata),),
            parameters.nodata_from_layer,
            parameters.alpha,
            WITHOUT_BANDS,
        ),
        ModelSettings(
            parameters.model_dir,
            parameters.model_tagsets,
            parameters.trust_model,
            parameters.device,
            parameters.model_userplaceholders,
        ),
        GeometrySettings.open(1),
        PADDING,
        TilingSettings(),
        parameters.memory or parameters.ram,
        scaling=parameters.images_scaling,
        pixel_size=parameters.images_pixelsize,
    )
    return adapted(settings, open_sources(settings.sources), progress)


def asked_head(parameters: DetectObjects, model: Model) -> DetectorHead:
    """Return what the outputs of a model are, as the user says or as it is recognised.

    Raises:
        ModelError: it is no detector, or is not recognised.
        ParameterError: order or unit of the boxes are not known.
    """
    if parameters.head == "auto":
        head = detector_head(model)
        if head is None:
            raise _unknown(model)
    else:
        head = head_of(model, parameters.head, parameters.output_names.split())
    if parameters.head_order != "auto":
        head = replace(head, order=parameters.head_order)
    if parameters.head_scale != "auto":
        head = replace(head, scale=parameters.head_scale)
    lacking = [("head_order", Phrase("the order"))] if not head.order else []
    lacking += [("head_scale", Phrase("the unit"))] if not head.scale else []
    if lacking:
        raise ParameterError(
            "The model {model} is a detector ({head}), but its file does not tell {what} of its boxes: set {lacking} to what "
            "its training used.",
            model=model.path,
            head=head.describe(),
            what=Phrase(" and ").join(what for _, what in lacking),
            lacking=Phrase(" and ").join(field(key) for key, _ in lacking),
        )
    if parameters.geometry == "outlines" and not head.masks:
        raise ModelError(
            "{geometry} is outlines, but the model {model} returns no masks of objects: of its outputs ({outputs}), those of "
            "the form {form} hold boxes only. Set {geometry} to boxes or points, or choose a model for instances.",
            geometry=field("geometry"),
            model=model.path,
            outputs=described_outputs(model),
            form=head.form,
        )
    return head


def _unknown(model: Model) -> ModelError:
    maps = [info for info in model.outputs.values() if info.rank == 4]
    if maps and len(maps) == len(model.outputs):
        return ModelError(
            "The model {model} returns maps ({outputs}), not objects: apply it with otbtf:tensorflowmodelserve. If it is "
            "a detector, set {head} and {output_names}.",
            model=model.path,
            outputs=described_outputs(model),
            head=field("head"),
            output_names=field("output_names"),
        )
    if _is_undecoded(model):
        return ModelError(
            "The model {model} returns numbers for each anchor or query ({outputs}), from which its framework computes objects "
            "in a later step: export it with this step (KerasHub and KerasCV: decode_predictions), so that it returns boxes, "
            "scores and labels.",
            model=model.path,
            outputs=described_outputs(model),
        )
    return ModelError(
        "What the outputs of the model {model} are ({outputs}) is not recognised by their names and shapes. If it is a "
        "detector, set {head}, and {output_names} where outputs must be named.",
        model=model.path,
        outputs=described_outputs(model),
        head=field("head"),
        output_names=field("output_names"),
    )


def _is_undecoded(model: Model) -> bool:
    """Return whether the outputs are boxes and scores before they are decoded: lists of one length, one of 4 numbers each."""
    lists = [info for info in model.outputs.values() if info.rank == 3]
    boxes = [info for info in lists if info.size(2) == 4]
    return any(one is not other and one.size(1) == other.size(1) for one in boxes for other in lists)


def chosen_classes(text: str, legend: Legend, progress: Progress) -> frozenset[int] | None:
    """Return the classes that a text names by number or name; None where it names none.

    Args:
        text: of the user.
        legend: the model's classes, as far as it tells them.
        progress: told of numbers that are not among them.

    Raises:
        ParameterError: a name is unknown.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        return None
    known = ", ".join(f"{value} {entry.name}" for value, entry in sorted(legend.items()))
    found: set[int] = set()
    for word in words:
        named = {value for value, entry in legend.items() if entry.name.casefold() == word.casefold()}
        if not named and not word.isdecimal() and not known:
            raise ParameterError(
                "{classes} names {word!r}, but the model's classes have no names: give their numbers, such as 0, or write their "
                "names into the model's sidecar (otbtf:describemodel).",
                classes=field("classes"),
                word=word,
            )
        if not named and not word.isdecimal():
            raise ParameterError(
                "{classes} names {word!r}, but the model's classes are: {known}.",
                classes=field("classes"),
                word=word,
                known=known,
            )
        found |= named or {int(word)}
    strange = sorted(found - legend.keys())
    if legend and strange:
        progress.warning(
            Phrase(
                "{classes} names {strange}, but the model names only these classes: {known}.",
                classes=field("classes"),
                strange=", ".join(map(str, strange)),
                known=known,
            )
        )
    return frozenset(found)


def _tile_size(
    parameters: DetectObjects, model: Model, image: TensorInfo, trained: tuple[int, int] | None, progress: Progress
) -> tuple[int, int]:
    """Return width and height of tiles: the model's own where it has them."""
    height, width = image.size(1), image.size(2)
    asked = parameters.tilesize
    if asked and any(own not in (None, asked) for own in (height, width)):
        raise ParameterError(
            "{tilesize} is {asked}, but the model {model} takes images of {width} x {height} pixels only: leave it out.",
            tilesize=field("tilesize"),
            asked=asked,
            model=model.path,
            width=width or asked,
            height=height or asked,
        )
    if height and width:
        return width, height
    free = (asked, asked) if asked else (trained or (_USUAL, _USUAL))
    size = width or free[1], height or free[0]
    progress.info(
        Phrase(
            "The model takes images of any size: tiles have {width} x {height} pixels, {why}. The results depend on it "
            "({tilesize}).",
            width=size[0],
            height=size[1],
            why=Phrase("as given")
            if asked
            else Phrase("as in the training")
            if trained
            else Phrase("since its training is not known"),
            tilesize=field("tilesize"),
        )
    )
    return size


def _most_objects(model: Model, head: DetectorHead) -> int | None:
    """Return the number of objects that a model with suppression can return; None where that is not fixed."""
    return model.output(head.outputs[0]).size(-2) if head.facts.suppressed else None


def _tell(
    detector: Detector, inputs: ModelInputs, settings: ServeSettings, parameters: DetectObjects, progress: Progress
) -> None:
    model = detector.model
    progress.info(
        Phrase(
            "{kind} {model}: detector of the form {head} from {image}.",
            kind=model.kind,
            model=model.path,
            head=detector.head.describe(),
            image=inputs.images[0].name,
        )
    )
    remarks: Sequence[Any] = model.remarks
    for remark in remarks:
        progress.warning(remark)
    if detector.head.masks and parameters.geometry != "outlines":
        progress.info(
            Phrase(
                "The model also returns masks of the objects ({output}), which are not used: {geometry}=outlines writes them.",
                output=detector.head.masks,
                geometry=field("geometry"),
            )
        )
    unscaled = settings.model.scaling is None and parameters.images_scaling != "off"
    if detector.head.form in _SCALED and unscaled and metadata(model).scaling is None:
        progress.warning(
            Phrase(
                "Models of the form {form} are usually trained on pixel values from 0 to 1, but the model {model} tells no "
                "scaling: pixel values are used as they are. If the model expects values from 0 to 1, divide the image by "
                "its largest value first (otbtf:bandmathx).",
                form=detector.head.form,
                model=model.path,
            )
        )

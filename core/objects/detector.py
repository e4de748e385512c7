"""A detector and its image, opened: what computes the boxes of any tile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.librarymessages import telling_line
from ..base.progress import Progress
from ..classes.legend import ClassEntry, Legend
from ..classes.modelclasses import Classes
from ..classes.palette import coloured
from ..errors import ModelError, ParameterError, field
from ..geometry.grid import Box
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
from ..samples.mapmask import MapMask, open_mask
from ..serving.imageadaptation import adapted
from ..serving.servesettings import ServeSettings, TilingSettings
from .boxes import NO_BOXES, NO_MASK, boxes_of, hulls, places
from .decoding import Decoder
from .detectortensors import check_tensors
from .maskdecoding import MaskDecoder
from .maskfiles import MaskFile
from .overlappingtiles import OverlappingTile, cut_by_edges, taken
from .unknownpixels import filled, known_pixels

if TYPE_CHECKING:  # it imports TensorFlow
    from ..probing.compute import Compute

PADDING = "constant"
"""What stands beyond the edges of an image that is smaller than a tile: zeros."""

_USUAL = 640
"""Width and height of tiles where neither the model nor the user tells them: of most detectors' training."""

_SCALED = ("torchvision", "yolov5", "yolov7", "yolov8", "yolov8_obb", "suppressed", "suppressed_obb")
"""Forms of models that are trained on values from 0 to 1."""


@dataclass(frozen=True)
class Pixels:
    """A tile after reading.

    Attributes:
        image: shape (1, height, width, bands).
        inside: which pixels may hold the centre of an object, shape (height, width); None for all.
    """

    image: np.ndarray
    inside: np.ndarray | None


@dataclass(frozen=True)
class Detector:
    """A detector and its image.

    Attributes:
        model: the model.
        head: what its outputs are.
        source: the image.
        size: width and height of tiles.
        legend: names and colours of the classes, as far as the model tells them.
        classes: those to keep; None for all.
        compute: calls the model.
        decoder: reads what it returns.
        narrowing: brings pixels within what the model takes.
        mask: tells where objects are looked for; None for everywhere.
        outlines: decodes the masks of objects; None where they are not asked for.
        masks: takes the masks of the objects that are taken from tiles; None for none.
    """

    model: Model
    head: DetectorHead
    source: OpenSource
    size: tuple[int, int]
    legend: Legend
    classes: frozenset[int] | None
    compute: Compute
    decoder: Decoder
    narrowing: Narrowing
    mask: MapMask | None
    outlines: MaskDecoder | None = None
    masks: MaskFile | None = None

    def reset_counts(self) -> None:
        """Count from zero on what is warned of at the end."""
        self.decoder.full = 0
        self.narrowing.reset()

    def counts(self) -> dict[str, int]:
        """Return what was counted, by name."""
        return {"full": self.decoder.full, **self.narrowing.counts()}

    def add_counts(self, counts: Mapping[str, int]) -> None:
        """Add what was counted elsewhere."""
        self.decoder.full += counts["full"]
        self.narrowing.add(counts)

    def read(self, box: Box) -> Pixels | None:
        """Return the pixels of a tile; None where no object can have its centre in it."""
        grid = self.source.stack.grid
        inside: np.ndarray | None = None
        if self.mask is not None:
            within = box.intersection(grid.box)
            inside = np.zeros((box.height, box.width), bool)
            rows, columns = (
                slice(within.y - box.y, within.bottom - box.y),
                slice(within.x - box.x, within.right - box.x),
            )
            inside[rows, columns] = self.mask.inside(within)
            if not inside.any():
                return None
        pixels = self.source.stack.read_padded(box, PADDING)
        missing = None
        if self.source.nodata is not None:
            missing = self.source.nodata.marked(pixels, box, PADDING)
            inside = ~missing if inside is None else inside & ~missing
            if not inside.any():
                return None
        known = known_pixels(box, grid.box, missing)
        if not known.any():
            return None
        pixels = filled(self.source.with_gaps(pixels, box, PADDING), known)
        return Pixels(self.narrowing(pixels, ~known)[None], inside)

    def boxes(self, tile: OverlappingTile, pixels: Pixels | None) -> np.ndarray:
        """Return the boxes of the objects that are taken from a tile, in pixels of the image; their masks go to the file."""
        if pixels is None:
            return NO_BOXES
        box = tile.box
        outputs = self._outputs(pixels.image)
        rows, numbers = self.decoder.numbered(outputs[: len(self.head.all_outputs)], box.height, box.width)
        if self.classes is not None:
            chosen = np.isin(rows[:, 5], list(self.classes))
            rows, numbers = rows[chosen], numbers[chosen]
        found = boxes_of(rows)
        if not len(found):
            return NO_BOXES
        around = hulls(found)
        keep = taken(around, tile) & self._centred(found, box, pixels.inside)
        found["cut"], found["tile"] = cut_by_edges(around, tile), tile.kind
        found = found[keep]
        if self.outlines is not None:
            within = box.intersection(self.source.stack.grid.box)
            masks = self.outlines(outputs[-1], rows[keep, :4], numbers[keep], outputs[0], box, within)
            # A trial has no file, but refuses what are no masks.
            found["mask"] = self.masks.add(masks) if self.masks is not None else [NO_MASK for _ in masks]
        for name, shift in (("y1", box.y), ("y2", box.y), ("x1", box.x), ("x2", box.x)):
            found[name] += shift
        return found

    def _outputs(self, image: np.ndarray) -> list[np.ndarray]:
        """Return what the model returns for a tile.

        Raises:
            ModelError: it does not take tiles of this size, or the memory does not hold them.
        """
        try:
            return self.compute.one([image])
        except ModelError as error:
            if error.__cause__ is None:
                raise
            raise ModelError(
                "The model {model} cannot compute tiles of {width} x {height} pixels: {reason}. Set {tilesize} to another "
                "size if the model takes it. Most models take multiples of 32; smaller tiles need less memory.",
                model=self.model.path,
                width=image.shape[2],
                height=image.shape[1],
                reason=telling_line(error.__cause__),
                tilesize=field("tilesize"),
            ) from error

    def _centred(self, boxes: np.ndarray, box: Box, inside: np.ndarray | None) -> np.ndarray:
        """Return which boxes have their centre in the image, and in a pixel that counts."""
        grid = self.source.stack.grid
        rows, columns = (np.floor(each).astype("int64") for each in places(boxes))
        height, width = min(box.height, grid.height - box.y), min(box.width, grid.width - box.x)
        within: np.ndarray = (rows >= 0) & (columns >= 0) & (rows < height) & (columns < width)
        if inside is not None:
            within[within] = inside[rows[within], columns[within]]
        return within


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
        if not named and not word.isdecimal():
            raise ParameterError(
                "{classes} names {word!r}, but the model's classes are: {known}.",
                classes=field("classes"),
                word=word,
                known=known or Phrase("numbers without names"),
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

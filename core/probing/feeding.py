"""The assignment of sources to the inputs of a model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..errors import ModelError
from ..models.modelinterface import Model, TensorInfo
from ..phrases import Phrase


def image_inputs(model: Model, outputs: Sequence[str], constants: Collection[str] = ()) -> list[TensorInfo]:
    """Return the inputs that sources feed, in order: those of the signature come first, then each by alphabet.

    Args:
        model: the model.
        outputs: only inputs from which these are computed count; those for which the model has an image of its own come
            last.
        constants: names of the inputs whose value the user gives.
    """
    used = [model.inputs[name] for name in model.used_inputs(outputs) if name not in constants]
    needed = [info for info in used if not info.optional]
    images = [info for info in needed if info.takes_images] or needed
    return images + [info for info in used if info.optional and info.rank == 4]


def fed_inputs(
    model: Model, outputs: Sequence[str], constants: Collection[str], names: Sequence[str], bands: Sequence[int]
) -> list[TensorInfo]:
    """Return the input that each source feeds.

    Those that are not named feed what is left in order; where their numbers of bands do not allow it, in the only order
    that these allow.

    Args:
        model: the model.
        outputs: that are computed.
        constants: names of the inputs whose value the user gives.
        names: for each source the input that it is said to feed; empty where that is left open.
        bands: of each source.

    Raises:
        ModelError: there is no input of a name, or too few for the sources.
    """
    named = {place: model.input(name) for place, name in enumerate(names) if name}
    taken = {info.name for info in named.values()}
    images = image_inputs(model, outputs, constants)
    free = [info for info in images if info.name not in taken]
    unnamed = [place for place in range(len(names)) if place not in named]
    if len(unnamed) > len(free):
        known = ", ".join(info.name for info in images) or Phrase("none")
        raise ModelError(
            "The model {model} uses images of {images_count} {images_count:source|sources}, but {names_count} "
            "are given ({known}): remove the "
            "surplus sources.",
            model=model.path,
            images_count=len(images),
            known=known,
            names_count=len(names),
        )
    return inputs_by_bands(free, named, bands)


def inputs_by_bands(
    free: Sequence[TensorInfo], named: Mapping[int, TensorInfo], bands: Sequence[int]
) -> list[TensorInfo]:
    """Return the input that each source feeds; see `fed_inputs`.

    Args:
        free: inputs that no source names, in order; at least as many as sources that name none.
        named: by place of the source, from 0, the input that it names.
        bands: of each source.
    """
    unnamed = [place for place in range(len(bands)) if place not in named]
    free = free[: len(unnamed)]
    possible = [[place for place in unnamed if info.size(3) in (None, bands[place])] for info in free]
    if not all(place in places for place, places in zip(unnamed, possible)):
        order = _only_order(possible)
        unnamed = order or unnamed
    return [info for _, info in sorted([*named.items(), *zip(unnamed, free)])]


def described(inputs: Sequence[TensorInfo]) -> str:
    """Return names and numbers of bands for a message."""
    words = []
    for info in inputs:
        bands = info.size(3)
        words.append(
            info.name
            if bands is None
            else Phrase("{input} of {bands} bands", input=info.name, bands=bands)
            if bands > 1
            else Phrase("{input} of 1 band", input=info.name)
        )
    return Phrase(", ").join(words)


def _only_order(possible: Sequence[Sequence[int]]) -> list[int] | None:
    """Return the only way to give each input one of its possible places, each place once; None where there is not just one."""
    order = _order(possible)
    if order is None:
        return None
    for number, place in enumerate(order):
        others = [list(places) for places in possible]
        others[number].remove(place)
        if _order(others) is not None:
            return None
    return order


def _order(possible: Sequence[Sequence[int]]) -> list[int] | None:
    """Return a way to give each input one of its possible places, by augmenting paths; None where there is none."""
    owner: dict[int, int] = {}

    def give(number: int, asked: set[int]) -> bool:
        for place in possible[number]:
            if place not in asked:
                asked.add(place)
                if place not in owner or give(owner[place], asked):
                    owner[place] = number
                    return True
        return False

    if not all(give(number, set()) for number in range(len(possible))):
        return None
    places: Mapping[int, int] = {number: place for place, number in owner.items()}
    return [places[number] for number in range(len(possible))]

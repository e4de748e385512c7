"""Walk through an ONNX file: what it consists of, by a reader of protobuf's wire format.

Nothing else has seen the file yet: what it holds is untrusted. The reader needs no library, so that QGIS has it too. It
follows https://protobuf.dev/programming-guides/encoding and the field numbers of onnx.proto. As protobuf merges fields
that stand twice, each of them is walked.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Union

from ..phrases import Phrase

Value = Union[int, range]
"""The value of a field: a whole number, or where its bytes are in the file."""

_DEEPEST = 32
"""Graphs inside graphs; protobuf reads a hundred messages inside each other, and a graph needs three."""

_MOST_DIMENSIONS = 64
_BITS = {
    **dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8),
    **dict.fromkeys((4, 5, 10, 16), 16),
    **dict.fromkeys((1, 6, 12), 32),
    **dict.fromkeys((7, 11, 13, 14), 64),
    15: 128,
    **dict.fromkeys((21, 22, 23), 4),
}
"""Bits of a number of each type, by onnx.proto's DataType; a text has none."""

_CHUNK = 1 << 14
_LONGEST = 1 << 24
"""Bytes of a text, at most."""

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_FIXED = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}


class DamagedFile(ValueError):
    """The bytes are no ONNX model; the message gives the reason."""

    @property
    def reason(self) -> str:
        """What is wrong, in a form that can be translated."""
        text: str = self.args[0]
        return text


@dataclass(frozen=True)
class ExternalData:
    """Values of a tensor that lie in another file.

    Attributes:
        tensor: its name.
        location: the file, as it is written.
        end: the number of bytes that the file must have.
    """

    tensor: str
    location: str
    end: int = 0


@dataclass(frozen=True)
class Node:
    """A node of the main graph."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass
class OnnxContent:
    """What an ONNX file holds.

    Attributes:
        ir_version: of the format.
        producer: the program that wrote it, with its version.
        opsets: version of the operators by domain; the empty domain is ONNX's own.
        metadata: texts by key.
        operators: (domain, name) of the operators that are used anywhere, each with the name of the first node.
        functions: (domain, name) of those that the file itself defines.
        external: values in other files, anywhere.
        graphs: the number of main graphs; one in a whole file.
        nodes: of the main graph.
        constants: names of its values that the file holds.
        outputs: names of what it returns.
        shapeless: names of the inputs of which it tells no shape, not even that of a single number.
    """

    ir_version: int = 0
    producer: str = ""
    opsets: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    operators: dict[tuple[str, str], str] = field(default_factory=dict)
    functions: set[tuple[str, str]] = field(default_factory=set)
    external: list[ExternalData] = field(default_factory=list)
    graphs: int = 0
    nodes: list[Node] = field(default_factory=list)
    constants: set[str] = field(default_factory=set)
    outputs: list[str] = field(default_factory=list)
    shapeless: set[str] = field(default_factory=set)


def read_content(path: Path) -> OnnxContent:
    """Return what an ONNX file holds.

    Raises:
        DamagedFile: it is none.
        OSError: it cannot be read.
    """
    with open(path, "rb") as stream:
        source = _Source(stream)
        if not source.size:
            raise DamagedFile(Phrase("it is empty"))
        return _Walk(source).model(range(source.size))


class _Source:
    """The bytes of a file, of which few are read: weights are passed over.

    It is not mapped into memory, since a program that shortened the file meanwhile would end this process.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.size = stream, os.fstat(stream.fileno()).st_size
        self._chunk, self._start = b"", 0

    def bytes(self, part: range) -> bytes:
        """Return a part.

        Raises:
            DamagedFile: it is beyond the end.
        """
        self._stream.seek(part.start)
        found = self._stream.read(len(part))
        if len(found) < len(part):
            raise DamagedFile(Phrase("it ends too early"))
        return found

    def text(self, part: range) -> str:
        """Return a part that is text."""
        if len(part) > _LONGEST:
            raise DamagedFile(Phrase("a text of {size} bytes", size=len(part)))
        try:
            return self.bytes(part).decode()
        except UnicodeDecodeError as error:
            raise DamagedFile(Phrase("a text that is not UTF-8")) from error

    def fields(self, part: range) -> Iterator[tuple[int, Value]]:
        """Yield number and value of each field of a message.

        Raises:
            DamagedFile: a field is longer than the message, or of a kind that ONNX does not have.
        """
        place, end = part.start, part.stop
        while place < end:
            key, place = self._varint(place, end)
            number, kind = key >> 3, key & 7
            if not number:
                raise DamagedFile(Phrase("a field without a number"))
            if kind == _VARINT:
                value, place = self._varint(place, end)
                yield number, value
                continue
            if kind == _BYTES:
                size, place = self._varint(place, end)
            elif kind in _FIXED:
                size = _FIXED[kind]
            else:
                raise DamagedFile(Phrase("a field of kind {kind}", kind=kind))
            if size > end - place:
                raise DamagedFile(Phrase("it ends too early"))
            yield number, range(place, place + size)
            place += size

    def parts(self, part: range, *numbers: int) -> Iterator[tuple[int, range]]:
        """Yield the fields of these numbers that hold bytes; another kind of value is an unknown field to protobuf, too."""
        for number, value in self.fields(part):
            if number in numbers and isinstance(value, range):
                yield number, value

    def numbers(self, part: range) -> list[int]:
        """Return whole numbers that are packed."""
        found, place = [], part.start
        while place < part.stop:
            value, place = self._varint(place, part.stop)
            found.append(value)
        return found

    def _varint(self, place: int, end: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if place >= end:
                raise DamagedFile(Phrase("it ends too early"))
            byte = self._byte(place)
            value |= (byte & 0x7F) << shift
            place += 1
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF, place
        raise DamagedFile(Phrase("a number of more than ten bytes"))

    def _byte(self, place: int) -> int:
        offset = place - self._start
        if not 0 <= offset < len(self._chunk):
            self._chunk = self.bytes(range(place, min(place + _CHUNK, self.size)))
            self._start, offset = place, 0
        return self._chunk[offset]


def _whole(text: str) -> int:
    try:
        return max(0, int(text))
    except ValueError:
        return 0


class _Walk:
    """One walk, which fills `content`; a method for each of onnx.proto's messages."""

    def __init__(self, source: _Source) -> None:
        self.source, self.content = source, OnnxContent()

    def model(self, data: range) -> OnnxContent:
        producer = {2: "", 3: ""}
        for number, value in self.source.fields(data):
            if number == 1 and isinstance(value, int):
                self.content.ir_version = value
            elif isinstance(value, int):
                continue
            elif number in producer:
                producer[number] = self.source.text(value)
            elif number == 7:
                self.content.graphs += 1
                self._graph(value, 0, main=True)
            elif number == 8:
                self._opset(value)
            elif number == 14:
                key, text = self._pair(value)
                self.content.metadata[key] = text
            elif number == 20:  # graphs for training
                for _, graph in self.source.parts(value, 1, 2):
                    self._graph(graph, 0)
            elif number == 25:
                self._function(value)
        self.content.producer = " ".join(filter(None, producer.values()))
        return self.content

    def _opset(self, data: range) -> None:
        domain, version = "", 0
        for number, value in self.source.fields(data):
            if number == 1 and not isinstance(value, int):
                domain = self.source.text(value)
            elif number == 2 and isinstance(value, int):
                version = value
        self.content.opsets[domain] = version

    def _graph(self, data: range, depth: int, main: bool = False) -> None:
        if depth > _DEEPEST:
            raise DamagedFile(Phrase("its graphs are nested too deeply"))
        for number, value in self.source.parts(data, 1, 5, 11, 12, 15):
            if number == 11:
                if main:
                    self._input(value)
            elif number == 12:
                if main:
                    self.content.outputs += [self.source.text(name) for _, name in self.source.parts(value, 1)]
            elif number == 1:
                node = self._node(value, depth)
                if main:
                    self.content.nodes.append(node)
            else:
                name = self._tensor(value) if number == 5 else self._sparse(value)
                if main:
                    self.content.constants.add(name)

    def _input(self, data: range) -> None:
        name, shapes = "", 0
        for number, value in self.source.parts(data, 1, 2):
            if number == 1:
                name = self.source.text(value)
            else:
                tensors = (tensor for _, tensor in self.source.parts(value, 1))
                shapes += sum(1 for tensor in tensors for _ in self.source.parts(tensor, 2))
        if not shapes:
            self.content.shapeless.add(name)

    def _node(self, data: range, depth: int) -> Node:
        texts: dict[int, list[str]] = {number: [] for number in (1, 2, 3, 4, 7)}
        for number, value in self.source.parts(data, 1, 2, 3, 4, 5, 7):
            if number == 5:
                self._attribute(value, depth)
            else:
                texts[number].append(self.source.text(value))
        operator, domain, name = ((texts[number] or [""])[-1] for number in (4, 7, 3))
        self.content.operators.setdefault((domain, operator), name)
        return Node(operator, tuple(texts[1]), tuple(texts[2]))

    def _attribute(self, data: range, depth: int) -> None:
        for number, value in self.source.parts(data, 5, 6, 10, 11, 22, 23):
            if number in (5, 10):
                self._tensor(value)
            elif number in (6, 11):
                self._graph(value, depth + 1)
            else:
                self._sparse(value)

    def _function(self, data: range) -> None:
        name = domain = ""
        for number, value in self.source.parts(data, 1, 7, 9, 10, 11):
            if number == 1:
                name = self.source.text(value)
            elif number == 7:
                self._node(value, 0)
            elif number == 10:
                domain = self.source.text(value)
            elif number == 11:
                self._attribute(value, 0)
        self.content.functions.add((domain, name))

    def _sparse(self, data: range) -> str:
        names = [self._tensor(value) for _, value in self.source.parts(data, 1, 2)]
        return names[0] if names else ""

    def _tensor(self, data: range) -> str:
        name, kind = "", 0
        shape: list[int] = []
        external: list[tuple[str, str]] = []
        for number, value in self.source.fields(data):
            if number == 1:
                shape += [value] if isinstance(value, int) else self.source.numbers(value)
            elif number == 2 and isinstance(value, int):
                kind = value
            elif number == 8 and isinstance(value, range):
                name = self.source.text(value)
            elif number == 13 and isinstance(value, range):
                external.append(self._pair(value))
        if not external:
            return name
        if len(shape) > _MOST_DIMENSIONS:
            raise DamagedFile(Phrase("a tensor of {count} dimensions", count=len(shape)))
        sizes = {key: _whole(text) for key, text in external if key in ("offset", "length")}
        length = sizes.get("length") or math.prod(shape) * _BITS.get(kind, 0) // 8
        end = sizes.get("offset", 0) + length
        self.content.external += [ExternalData(name, text, end) for key, text in external if key == "location"]
        return name

    def _pair(self, data: range) -> tuple[str, str]:
        """Return key and value of a StringStringEntryProto."""
        found = {number: self.source.text(value) for number, value in self.source.parts(data, 1, 2)}
        return found.get(1, ""), found.get(2, "")

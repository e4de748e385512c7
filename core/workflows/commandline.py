r"""OTBTF's command lines, read as text.

    otbcli_TensorflowModelServe -source1.il a.tif b.tif -source1.rfieldx 16 \
        -out "map.tif?&box=0:0:100:100" uint8

`parse_commands` splits a text into words as a shell does, takes extended filenames apart, adds the defaults that OTBTF
has and we do not, and checks everything; nothing is run, opened or asked for. A `Call` also writes itself as the
Processing call that does the same.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from .. import registry
from ..base.addresses import masked
from ..errors import ParameterError, field
from ..operations.runcommandline import RunCommandLine
from ..parameters.classifierchoices import LEFT_OUT
from ..parameters.commandwords import Words, split_commands
from ..parameters.extendedfilenames import check_reading, output_values, split
from ..parameters.kinds import Content, Key, parameter_name
from ..parameters.otbkeys import why_left_out
from ..parameters.parsing import keys, unknown_key
from ..parameters.sections import in_sections
from ..phrases import Phrase, plain

_LAUNCHERS = ("otbcli", "otbgui", "otbApplicationLauncherCommandLine", "otbApplicationLauncherQt")
_KEY = re.compile(r"-{1,2}([A-Za-z][\w.]*)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_OTB_ONLY = ("progress", "ram")
"""Keys of OTB itself that change nothing in the result; left out where an operation has none of the name."""


@dataclass(frozen=True)
class Call:
    """One application with its parameters, all of them checked.

    Attributes:
        application: the operation's name, such as `TensorflowModelServe`.
        values: OTBTF's keys to values: a text, or a tuple of texts for a list of rasters.
        notes: what was left out, and why.
        line: the line of the text where it begins, from 1.
        help: what -help shows; such a call is not run. Empty for one that is.
    """

    application: str
    values: dict[str, Any]
    notes: tuple[str, ...] = ()
    line: int = 1
    help: str = ""

    @property
    def algorithm(self) -> str:
        """The id of the Processing algorithm."""
        return f"otbtf:{self.application.lower()}"

    def parameters(self) -> dict[str, Any]:
        """Return the Processing parameters: names to texts, numbers, booleans and lists of texts."""
        known = {key.name: key for key in keys(registry.declaration(self.application), self.values)}
        return {parameter_name(name): _plain(known[name], value) for name, value in self.values.items()}

    def as_qgis_process(self) -> str:
        """Return the call as a line for a shell."""
        words = ["qgis_process", "run", self.algorithm, "--"]
        for name, value in self.parameters().items():
            words += [f"{name}={_word(item)}" for item in (value if isinstance(value, list) else [value])]
        return " ".join(shlex.quote(word) for word in words)

    def as_python(self) -> str:
        """Return the call as a statement for QGIS's Python console."""
        lines = [f"    {name!r}: {value!r}," for name, value in self.parameters().items()]
        return "\n".join([f"processing.run({self.algorithm!r}, {{", *lines, "})"])


def _plain(key: Key, value: Any) -> Any:
    if key.kind.is_list:
        return list(value)
    read = key.read(value)
    # Python has no literal for NaN and infinity; QGIS takes the text.
    return str(value) if isinstance(read, float) and not -float("inf") < read < float("inf") else read


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse_commands(text: str) -> list[Call]:
    """Read OTBTF command lines.

    Args:
        text: one command per line; a backslash at the end of a line continues it, `#` begins a comment, and variables
            may be set before a command or on a line of their own.

    Returns:
        The calls in order.

    Raises:
        ParameterError: there is no command, a quote is open, an application or key is unknown, a key has no value or a
            value no key, or a value cannot be right. The message names the line.
    """
    calls = []
    for line, words in split_commands(text):
        try:
            call = _call(words, line)
        except ParameterError as error:
            raise ParameterError("Line {line}: {error}", line=line, error=error) from None
        if call:
            calls.append(call)
    if not calls:
        raise ParameterError(
            "{command} holds no command: give a line such as otbcli_TensorflowModelServe -source1.il image.tif "
            "-model.dir model -out map.tif.",
            command=field("command"),
        )
    return calls


def described(calls: Sequence[Call]) -> str:
    """Return the calls as text for people, once for Python and once for a shell, without what is secret in them."""
    parts = []
    for call in calls:
        if call.help:
            parts.append(call.help)
            continue
        notes = "".join(f"# {note}\n" for note in call.notes)
        parts.append(f"{notes}{call.as_python()}\n\n{call.as_qgis_process()}")
    return masked("\n\n".join(parts))


# ------------------------------------------------------------------ commands


def _call(words: Words, line: int) -> Call | None:
    """Read one command's words; None where they only set variables."""
    notes = []
    if words[0] in ("export", "set"):
        words = words[1:]
    while words and _ASSIGNMENT.fullmatch(words[0]):
        name = words[0].partition("=")[0]
        if name != "OTB_TF_NSOURCES":  # the sources are counted
            notes.append(Phrase("The variable {name} has no effect here and is ignored.", name=name))
        words = words[1:]
    if not words:
        return None
    application, words = _application(words)
    named = [match[1] for match in map(_KEY.fullmatch, words) if match]
    try:
        if any(word in ("-help", "--help") for word in words):
            known = {key.name: key for key in keys(registry.declaration(application), named)}
            return Call(application, {}, line=line, help=_help(application, words, known))
        pairs = list(_pairs(words))
    except ParameterError as error:
        raise ParameterError("{application}: {error}", application=application, error=error) from None
    return call_of(application, pairs, line, tuple(notes))


def check_commands(parameters: RunCommandLine) -> None:
    """Raise ParameterError where a command line cannot be read; the declaration names this check."""
    parse_commands(parameters.command)


def call_of(application: str, pairs: Sequence[tuple[str, Words]], line: int = 1, notes: tuple[str, ...] = ()) -> Call:
    """Return the call of an application, with the defaults that OTBTF has and we do not.

    Args:
        application: its name, or how else a command line calls it.
        pairs: OTBTF's keys, each with the words that stand after it on a command line.
        line: where it stands.
        notes: what was left out so far.

    Raises:
        ParameterError: the application or a key is unknown, or a value cannot be right.
    """
    application, _ = _application([application])
    operation = registry.declaration(application)
    known = {key.name: key for key in keys(operation, [name for name, _ in pairs])}
    told = list(notes)
    try:
        given = _values(pairs, known, told)
        values = {**given, **_defaults(given, known)}
        registry.read(operation, values)
    except ParameterError as error:
        raise ParameterError("{application}: {error}", application=application, error=error) from None
    return Call(application, values, tuple(told), line)


def known_applications() -> tuple[str, ...]:
    """Return the names of the applications that a command can call."""
    return tuple(name for name in registry.names() if name != "RunCommandLine")


def _application(words: Words) -> tuple[str, Words]:
    """Return the application that a command calls, and the words after it."""
    program = PurePath(words[0].replace("\\", "/")).name
    program = re.sub(r"\.(bat|exe|ps1|sh|cmd)$", "", program)
    name, rest = program, words[1:]
    if program in _LAUNCHERS:
        if not rest:
            raise ParameterError("{word} names no application: put its name after it.", word=words[0])
        name, rest = rest[0], rest[1:]
        if rest and not rest[0].startswith("-"):
            rest = rest[1:]  # the launcher's second word is the folder of OTB's applications
    else:
        for launcher in _LAUNCHERS[:2]:
            name = name[len(launcher) + 1 :] if name.startswith(f"{launcher}_") else name
    applications = known_applications()
    if name in applications:
        return name, rest
    if name.startswith("-"):
        raise ParameterError("The line begins with {name}: end the line before it with a backslash.", name=name)
    near = difflib.get_close_matches(name.lower(), [known.lower() for known in applications], n=1, cutoff=0.6)
    spelling = {known.lower(): known for known in applications}
    hint = (
        Phrase("Did you mean {spelling}?", spelling=spelling[near[0]])
        if near
        else Phrase("Known: {applications}.", applications=", ".join(applications))
    )
    raise ParameterError("There is no application {name!r}. {hint}", name=name, hint=hint)


def _help(application: str, words: Words, known: dict[str, Key]) -> str:
    """Return what -help shows: the keys that are named after it, else all, of the first source only."""
    wanted = [word for word in words[words.index(next(w for w in words if w.endswith("-help"))) + 1 :] if word in known]
    shown = [known[name] for name in wanted] or [key for key in known.values() if key.group <= 1]
    lines = [f"{application}: {registry.declaration(application).DESCRIPTION.splitlines()[0]}"]
    for title, own in in_sections(shown).items():
        lines += [f"{title}:", *map(_help_of, own)]
    if len(shown) < len(known) and not wanted:
        lines.append("Further sources have the same keys with their number.")
    return "\n".join(lines)


def _help_of(key: Key) -> str:
    marks = ["needed"] if key.required else [] if key.default in (None, "", ()) else [f"default {key.default}"]
    return f"  -{key.name} ({'; '.join([key.kind.takes(key), *marks])}): {key.help}"


# -------------------------------------------------------------------- values


def _values(pairs: Sequence[tuple[str, Words]], known: dict[str, Key], notes: list[str]) -> dict[str, Any]:
    """Return what the keys and their words give, by key."""
    values: dict[str, Any] = {}
    for name, given in pairs:
        key = known.get(name)
        if key is None and name in _OTB_ONLY:
            continue
        if key is None and name in LEFT_OUT and known.keys() & {"classifier", "nodatalabel"}:
            notes.append(
                Phrase(
                    "{name}={given} is left out: {left_out}.", name=name, given=" ".join(given), left_out=LEFT_OUT[name]
                )
            )
            continue
        if key is None and (why := why_left_out(name, given, known)) is not None:
            notes += (
                [Phrase("{name}={given} is left out: {why}.", name=name, given=" ".join(given), why=why)] if why else []
            )
            continue
        if key is None:
            raise unknown_key(name, known)
        if name in values:
            raise ParameterError("-{name} is given twice: keep one.", name=name)
        if not given and not key.kind.stands_alone(key):
            raise ParameterError("-{name} has no value: {help}", name=name, help=plain(key.help))
        values.update(_of_key(key, given, known, notes))
    return values


def _pairs(words: Words) -> Iterator[tuple[str, Words]]:
    """Yield each key with its values."""
    name = ""
    given: Words = []
    for word in words:
        match = _KEY.fullmatch(word)
        if match and not _is_number(word):
            if name:
                yield name, given
            name, given = match[1], []
        elif not name:
            raise ParameterError("The value {word!r} has no key: put a key such as -out before it.", word=masked(word))
        else:
            given.append(word)
    if name:
        yield name, given


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _of_key(key: Key, given: Words, known: dict[str, Key], notes: list[str]) -> dict[str, Any]:
    if key.kind.content is not Content.RASTER:
        return {key.name: key.kind.of_words(key, given)}
    if key.kind.is_output:
        return output_values(f"-{key.name}", key, given, known, notes, lenient=True)
    return {key.name: key.kind.each(key.kind.of_words(key, given), lambda word: _input(key, word, notes))}


def _input(key: Key, word: str, notes: list[str]) -> str:
    """Return the raster that an extended filename names; a Processing call has no place for its options."""
    file, options = split(word, lenient=True)
    cure = Phrase("prepare the image with gdal_translate (-b for bands), and give that, or leave it out.")
    check_reading(f"-{key.name}", file, options, (), cure, notes)
    return file


# ------------------------------------------------------------------ defaults


def _defaults(given: dict[str, Any], known: dict[str, Key]) -> dict[str, Any]:
    """Return OTBTF's defaults for what is not given, of the sources and outputs in use only."""
    groups = {0} | {known[name].group for name in given}
    values = {}
    for name, key in known.items():
        output, _, last = name.rpartition(".")
        in_use = key.group in groups and (last != "pixeltype" or output in given)
        if key.in_otbtf and in_use and name not in given:
            values[name] = key.in_otbtf
    return values

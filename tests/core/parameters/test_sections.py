"""The sections of forms: every key of every operation has one, and all that shows keys follows their order."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from otbtf_qgis.core import registry
from otbtf_qgis.core.parameters import kinds, sections
from otbtf_qgis.core.parameters import vocabulary as voc
from otbtf_qgis.core.parameters.kinds import Key
from otbtf_qgis.core.parameters.parsing import keys
from otbtf_qgis.core.parameters.sections import SECTIONS, in_sections, ordered
from otbtf_qgis.core.workflows.commandline import parse_commands


@pytest.mark.parametrize("name", registry.names())
def test_every_key_has_a_section(name: str) -> None:
    assert [key.name for key in keys(registry.declaration(name)) if key.section not in SECTIONS] == []


def test_every_section_has_keys() -> None:
    used = {key.section for name in registry.names() for key in keys(registry.declaration(name))}
    assert used == set(SECTIONS)


def test_keys_come_in_the_order_of_sections_and_no_key_is_lost() -> None:
    out, model, other, image, mask = (
        Key(name, kinds.TEXT, name, "Help.", section=section)
        for name, section in [
            ("out", sections.OUTPUT),
            ("model", sections.MODEL),
            ("other", ""),
            ("image", sections.IMAGES),
            ("mask", sections.IMAGES),
        ]
    )
    given = (out, mask, model, other, image)
    assert in_sections(given) == {"Model": (model,), "Images": (mask, image), "Output": (out,), "": (other,)}
    assert ordered(given) == (model, mask, image, out, other)


@dataclass(frozen=True)
class _Item:
    size: int = voc.integer("size", "Size", "Pixels.", required=True, suggested=16)
    made: str | None = voc.raster_out("made", "Made", "A raster.", required=False, created=True)


@dataclass(frozen=True)
class _Several:
    items: tuple[_Item, ...] = voc.numbered(_Item, 2, "item")
    tests: tuple[_Item, ...] = voc.numbered(_Item, 2, "test", advanced=True)
    other: int = voc.folded(_Item, "size")


def test_what_a_dialog_begins_with_is_that_of_the_first_source() -> None:
    known = {key.name: key for key in keys(_Several)}
    assert [known[f"item{number}.size"].suggested for number in (1, 2)] == [16, None]
    assert [known[f"item{number}.made"].created for number in (1, 2)] == [True, False]


def test_what_an_operation_folds_away() -> None:
    assert [key.name for key in keys(_Several) if key.advanced] == [
        *("test1.size", "test1.made", "test2.size", "test2.made", "size")
    ]


def test_the_help_of_a_command_line_has_the_sections() -> None:
    (call,) = parse_commands("otbcli_TensorflowModelServe -help")
    titles = [line.rstrip(":") for line in call.help.splitlines()[1:] if line.endswith(":") and line[0] != " "]
    own = {key.section for key in keys(registry.declaration("TensorflowModelServe"))}
    assert titles == [title for title in SECTIONS if title in own]
    lines = call.help.splitlines()
    assert lines[lines.index("Model:") + 1].startswith("  -model.dir (")

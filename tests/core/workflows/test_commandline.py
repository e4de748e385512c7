"""OTBTF's command lines as text: read, shown as Processing calls, and run."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from osgeo import gdal

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, ParameterError, RasterError
from otbtf_qgis.core.operations.tensorflowmodelserve import TensorflowModelServe
from otbtf_qgis.core.parameters.parsing import parse
from otbtf_qgis.core.workflows.commandline import Call, described, known_applications, parse_commands

EXTRACT = (
    "otbcli_PatchesExtraction -source1.il a.tif -source1.patchsizex 1 -source1.patchsizey 1 -vec v.shp -field f "
    "-source1.out p.tif"
)
SERVE = "otbcli_TensorflowModelServe -source1.il a.tif -model.dir m -out b.tif"


def one(text: str) -> Call:
    calls = parse_commands(text)
    assert len(calls) == 1
    return calls[0]


def problem(text: str) -> str:
    with pytest.raises(ParameterError) as caught:
        parse_commands(text)
    return str(caught.value)


class TestWords:
    @pytest.mark.parametrize(
        "start",
        [
            "otbcli_TensorflowModelServe",
            "/opt/otbtf/bin/otbcli_TensorflowModelServe",
            r"C:\OTB\bin\otbcli_TensorflowModelServe.bat",
            "otbcli TensorflowModelServe",
            "otbgui_TensorflowModelServe",
            "TensorflowModelServe",
            "otbApplicationLauncherCommandLine TensorflowModelServe",
            "otbApplicationLauncherCommandLine TensorflowModelServe /opt/otbtf/lib/otb/applications",
            "OTB_TF_NSOURCES=2 otbcli_TensorflowModelServe",
            "export OTB_TF_NSOURCES=2\notbcli_TensorflowModelServe",
        ],
    )
    def test_how_an_application_is_called(self, start: str) -> None:
        call = one(f"{start} -source1.il a.tif -model.dir m -out b.tif")
        assert call.application == "TensorflowModelServe" and call.algorithm == "otbtf:tensorflowmodelserve"
        assert call.values["source1.il"] == ("a.tif",) and call.notes == ()

    def test_lines(self) -> None:
        text = (
            "# first\n\n  otbcli_TensorflowModelServe -source1.il a.tif 'b c.tif' \\\n -model.dir m \\ \n"
            "   -out b.tif # the map\r\n"
            "otbcli_LabelImageSampleSelection -inref l#1.tif -outvec p.gpkg && " + SERVE + "\n"
        )
        calls = parse_commands(text)
        assert [(call.application, call.line) for call in calls] == [
            ("TensorflowModelServe", 3),
            ("LabelImageSampleSelection", 6),
            ("TensorflowModelServe", 6),
        ]
        assert calls[0].values["source1.il"] == ("a.tif", "b c.tif")
        assert calls[0].values["model.dir"] == "m" and calls[0].values["out"] == "b.tif"
        assert calls[1].values["inref"] == "l#1.tif"

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            (r"C:\data\new\map.tif", r"C:\data\new\map.tif"),
            (r'"C:\my data\a.tif"', r"C:\my data\a.tif"),
            (r"my\ map.tif", "my map.tif"),
            (r"it\'s.tif", "it's.tif"),
            ('"it\'s # 1.tif"', "it's # 1.tif"),
            ("'$1.tif'", "$1.tif"),
            ("'a'\"b\"c.tif", "abc.tif"),
        ],
    )
    def test_quotes_and_backslashes(self, written: str, meant: str) -> None:
        assert one(f"{SERVE} -source2.il {written}").values["source2.il"] == (meant,)

    def test_other_variables_are_noted_without_their_value(self) -> None:
        (note,) = one(f"AWS_SECRET_ACCESS_KEY=abc OTB_TF_NSOURCES=1 {SERVE}").notes
        assert "AWS_SECRET_ACCESS_KEY" in note and "abc" not in note


class TestValues:
    def test_missing_values_and_dates(self) -> None:
        """Keys that OTBTF's applications do not have, beside theirs."""
        call = one(f"{EXTRACT} -nodata_rule 0.3 -nodata_pixels 0.1")
        assert (call.values["nodata_rule"], call.values["nodata_pixels"]) == ("0.3", "0.1")
        keys = (
            "-nodata_fill temporal -nodata_fill.mask on -dates '2018-01-01 2018-01-11' -dates.order band-major -step 5"
        )
        values = one(
            f"otbcli_TensorflowModelTrain -model.dir template:tempcnn -training.source1.il a.tif {keys}"
        ).values
        assert (values["nodata_fill"], values["nodata_fill.mask"]) == ("temporal", "on")
        assert (values["dates"], values["dates.order"], values["step"]) == ("2018-01-01 2018-01-11", "band-major", "5")

    def test_serve_has_the_defaults_of_otbtf(self) -> None:
        values = one(f"{SERVE} -source2.il c.tif -source2.rfieldx 5").values
        assert values == {
            "source1.il": ("a.tif",),
            "source2.il": ("c.tif",),
            "model.dir": "m",
            "out": "b.tif",
            "source1.rfieldx": "1",
            "source1.rfieldy": "1",
            "source2.rfieldx": "5",
            "source2.rfieldy": "1",
            "model.fullyconv": "off",
            "output.spcscale": "1",
            "output.efieldx": "1",
            "output.efieldy": "1",
            "output.bv": "0",
            "padding": "none",
            "nodata_from_layer": "off",
            "alpha": "band",
            "images.scaling": "off",
            "images.pixelsize": "ignore",
            "out.pixeltype": "float",
        }

    @pytest.mark.parametrize(
        ("written", "read"), [("", True), ("on", True), ("1", True), ("true", True), ("off", False), ("0", False)]
    )
    def test_booleans(self, written: str, read: bool) -> None:
        call = one(f"{SERVE} -optim.disabletiling {written} -model.fullyconv {written}")
        parameters = parse(TensorflowModelServe, call.values)
        assert parameters.optim_disabletiling is read
        assert parameters.model_fullyconv == ("on" if read else "off")

    def test_several_words_are_one_text(self) -> None:
        call = one(f'{SERVE} -output.names a b -model.userplaceholders "a=(1.0, 2)" b=true')
        assert call.values["output.names"] == "a b"
        assert call.values["model.userplaceholders"] == "a=(1.0, 2) b=true"

    @pytest.mark.parametrize("number", ["-1", "-.5", "-1e-3", "-inf", "nan"])
    def test_negative_numbers_are_values(self, number: str) -> None:
        assert one(f"{SERVE} -source1.nodata {number}").values["source1.nodata"] == number

    def test_what_only_otb_knows_is_left_out(self) -> None:
        assert one(f"{SERVE} -progress false").values == one(SERVE).values


class TestExtendedFilenames:
    def test_box_type_and_creation_options(self) -> None:
        call = one(
            "TensorflowModelServe -source1.il a.tif -model.dir m "
            '-out "map.tif?&box=10:20:30:40&gdal:co:COMPRESS=DEFLATE&nodata=255&gdal:co:TILED=YES" uint8'
        )
        assert {key: value for key, value in call.values.items() if key.split(".")[0] == "out"} == {
            "out": "map.tif",
            "out.box": "10:20:30:40",
            "out.co": "COMPRESS=DEFLATE|TILED=YES",
            "out.nodata": "255",
            "out.pixeltype": "uint8",
        }
        assert call.notes == ()

    @pytest.mark.parametrize("option", ["streaming:type=none", "writegeom=false"])
    def test_what_does_not_change_the_pixels_is_noted(self, option: str) -> None:
        call = one(f"{SERVE}?&{option}")
        assert call.values == one(SERVE).values
        assert len(call.notes) == 1 and option in call.notes[0]

    def test_the_query_of_an_address_stays(self) -> None:
        address = "https://host/a.tif?bands=1&id=2"
        assert (
            one(f"{SERVE} -source2.il '{address}' '{address}?&skipcarto=true'").values["source2.il"] == (address,) * 2
        )

    @pytest.mark.parametrize(
        ("text", "part"),
        [
            (SERVE.replace("a.tif", "'a.tif?&bands=1,2'"), "bands=1,2 of a.tif"),
            (SERVE.replace("a.tif", "'a.tif?&resol=2'"), "resol=2 of a.tif"),
            (SERVE + "'?&bands=1'", "output.names"),
            (SERVE + "'?&bx=0:0:1:1'", "Did you mean box?"),
            (
                "PatchesExtraction -source1.il a.tif -source1.out b.tif?&box=0:0:1:1",
                "box=0:0:1:1 is not supported, because this output has no box",
            ),
        ],
    )
    def test_what_changes_the_pixels_is_refused(self, text: str, part: str) -> None:
        assert part in problem(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["no command"]),
        ("# nothing\nexport OTB_TF_NSOURCES=2", ["no command"]),
        (
            "\notbcli_TensorflowModelSrve -out a",
            ["Line 2", "'TensorflowModelSrve'", "Did you mean TensorflowModelServe?"],
        ),
        ("otbcli_OrthoRectification -io.in a", ["'OrthoRectification'", "Known: "]),
        ("otbcli", ["names no application"]),
        ("-out b.tif", ["begins with -out", "backslash"]),
        (SERVE + " -source1.rfeildx 3", ["source1.rfeildx", "Did you mean source1.rfieldx?"]),
        (SERVE + " -optim.tilesizeX 3", ["optim.tilesizeX", "Did you mean optim.tilesizex?"]),
        ("\n" + SERVE + " -source2.il 'c.tif\n-ram 5", ["Line 2", "quote '", "c.tif", "not closed"]),
        (SERVE + ' -output.names "a', ['quote "', "not closed"]),
        (SERVE + " -ram", ["-ram has no value"]),
        (SERVE + " -source2.il -ram 512", ["-source2.il has no value"]),
        ("TensorflowModelServe a.tif -out b.tif", ["'a.tif' has no key"]),
        (SERVE + " -ram 512 1024", ["-ram takes one value", "512 1024"]),
        (SERVE + " -ram 512 -ram 512", ["-ram is given twice"]),
        (SERVE + " float uint8", ["put quotes"]),
        (SERVE + " cint16", ["OUT_PIXELTYPE", "cint16", "uint8"]),
        (SERVE + " -ram many", ["Line 1", "TensorflowModelServe", "RAM is 'many'"]),
        ("TensorflowModelServe -source1.il a.tif", ["MODEL_DIR", "missing"]),
        (SERVE + " -source2.il $IMAGE", ["$IMAGE", "variable"]),
        (SERVE + ' -source2.il "${D}/a.tif"', ["${D}", "variable"]),
    ],
)
def test_what_cannot_be_read_is_told(text: str, parts: list[str]) -> None:
    message = problem(text)
    assert [part for part in parts if part not in message] == []


def test_every_application_can_be_called() -> None:
    assert "RunCommandLine" not in known_applications()
    for name in known_applications():
        assert "no application" not in problem(f"otbcli_{name} -nosuchkey 1")


WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r\n?", exclude_categories=["Cc"]), min_size=1
).filter(lambda word: not word.startswith("-") and word not in (";", "&&") and word.strip())


def same_everywhere(call: Call) -> None:
    """Both forms of a call say what the call does."""
    parameters = call.parameters()
    text = call.as_python()
    assert ast.literal_eval(text[text.index("{") : text.rindex("}") + 1]) == parameters
    words = shlex.split(call.as_qgis_process())
    assert words[:4] == ["qgis_process", "run", call.algorithm, "--"]
    pairs = [(word.partition("=")[0], word.partition("=")[2]) for word in words[4:]]
    expected = [(k, i) for k, v in parameters.items() for i in (v if isinstance(v, list) else [v])]
    assert [name for name, _ in pairs] == [name for name, _ in expected]
    for (_, written), (_, meant) in zip(pairs, expected):
        assert written == (str(meant).lower() if isinstance(meant, bool) else str(meant))


@settings(max_examples=30)
@given(st.lists(WORDS, min_size=1, max_size=3), WORDS, WORDS, st.integers(64, 10**6), st.booleans())
def test_any_value_comes_through(images: list[str], model: str, names: str, ram: int, tiling: bool) -> None:
    quoted = " ".join(shlex.quote(image) for image in images)
    call = one(
        f"otbcli_TensorflowModelServe -source1.il {quoted} -model.dir {shlex.quote(model)} -out o.tif \\\n"
        f" -output.names {shlex.quote(names)} -ram {ram} -optim.disabletiling {str(tiling).lower()}"
    )
    parameters = call.parameters()
    assert parameters["SOURCE1_IL"] == images and parameters["MODEL_DIR"] == model
    assert parameters["OUTPUT_NAMES"] == names and parameters["RAM"] == ram
    assert parameters["OPTIM_DISABLETILING"] is tiling
    same_everywhere(call)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    for command in (text, f"{SERVE} {text}"):
        try:
            calls = parse_commands(command)
        except ParameterError:
            continue
        for call in calls:
            same_everywhere(call)


def test_secrets_are_not_shown() -> None:
    call = one(SERVE.replace("a.tif", "'https://me:pw@host/a.tif?token=abc&id=1'"))
    assert call.values["source1.il"] == ("https://me:pw@host/a.tif?token=abc&id=1",)
    assert described([call]).count("https://***@host/a.tif?token=***&id=1") == 2
    assert "pw" not in described([call]) and "abc" not in described([call])


# -------------------------------------------------------------------- oracle


def as_command(case: dict[str, Any], folder: Path, out: Path) -> str:
    """The command line with which OTBTF made a case of the oracle."""
    line = f"OTB_TF_NSOURCES={case['sources']} otbcli_{case['application']}"
    for key, values in case["parameters"].items():
        placed = [
            str(folder / value) if value.startswith(("in/", "models/")) else value.replace("out/", f"{out}/", 1)
            for value in values
        ]
        line += f" \\\n  -{key} {' '.join(shlex.quote(value) for value in placed)}"
    return line


@pytest.fixture(scope="module")
def cases(shared: Path) -> list[dict[str, Any]]:
    return json.loads((shared / "oracle" / "cases.json").read_text(encoding="utf-8"))


def test_every_case_of_the_oracle_is_read(cases: list[dict[str, Any]], shared: Path, tmp_path: Path) -> None:
    for case in cases:
        if case["application"] not in known_applications():
            continue
        call = one(as_command(case, shared / "oracle", tmp_path))
        assert call.application == case["application"]
        same_everywhere(call)
        for key, values in case["parameters"].items():
            meant = [value.split("?&")[0].split("/", 1)[-1] for value in values]
            read = call.values[key]
            if isinstance(read, tuple):
                assert [value[-len(name) :] for value, name in zip(read, meant)] == meant, key
            elif f"{key}.pixeltype" in call.values:
                assert read.endswith(meant[0]) and call.values[f"{key}.pixeltype"] == (*meant, "float")[1], key
            else:
                assert read.endswith(" ".join(meant)), key


class Heard(Progress):
    """Keeps what is reported."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.fractions: list[float] = []

    def info(self, message: str) -> None:
        self.lines.append(message)

    def fraction(self, done: float) -> None:
        self.fractions.append(done)


def test_commands_run_in_order(cases: list[dict[str, Any]], shared: Path, tmp_path: Path) -> None:
    named = {case["name"]: case for case in cases}
    chosen = [named["s_ident_box"], named["s_up_bool"]]
    commands = "\n".join(as_command(case, shared / "oracle", tmp_path) for case in chosen)
    heard = Heard()
    found = registry.run("RunCommandLine", {"command": commands}, heard)
    assert found["count"] == 2
    assert found["calls"] in heard.lines and "processing.run('otbtf:tensorflowmodelserve', {" in found["calls"]
    assert [result["out"] for result in json.loads(found["results"])] == [
        str(tmp_path / "s_ident_box.tif"),
        str(tmp_path / "s_up_bool.tif"),
    ]
    assert heard.fractions == sorted(heard.fractions) and heard.fractions[-1] == 1.0
    for case in chosen:
        data = gdal.Open(str(tmp_path / f"{case['name']}.tif"))
        array = np.frombuffer(data.ReadRaster(buf_type=gdal.GDT_Float64), np.float64)
        array = array.reshape(data.RasterCount, data.RasterYSize, data.RasterXSize)
        wanted = np.load(shared / "oracle" / case["expected"]["out"])["array"]
        np.testing.assert_allclose(array[:, : wanted.shape[1], : wanted.shape[2]], wanted, rtol=1e-5)


def test_show_only_runs_nothing(tmp_path: Path) -> None:
    found = registry.run("RunCommandLine", {"command": SERVE, "show_only": True})
    assert found["count"] == 1 and found["results"] == "[]" and "otbtf:tensorflowmodelserve" in found["calls"]


def test_nothing_runs_where_a_later_command_is_wrong(tmp_path: Path) -> None:
    good = f"otbcli_CreateExampleData -outdir {shlex.quote(str(tmp_path / 'made'))}"
    with pytest.raises(ParameterError, match="Line 2: There is no application"):
        registry.run("RunCommandLine", {"command": f"{good}\notbcli_Nothing -a b"})
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_fails_is_named(tmp_path: Path) -> None:
    labels, points = tmp_path / "none.tif", tmp_path / "points.gpkg"
    command = f"\notbcli_LabelImageSampleSelection -inref {labels} -outvec {points}"
    with pytest.raises(RasterError, match=r"Line 2, LabelImageSampleSelection: Cannot open the raster .*none\.tif"):
        registry.run("RunCommandLine", {"command": command})
    assert list(tmp_path.iterdir()) == []


def test_a_cancel_stops_before_the_next_run() -> None:
    class Impatient(Progress):
        def cancelled(self) -> bool:
            return True

    with pytest.raises(Cancelled):
        registry.run("RunCommandLine", {"command": SERVE}, Impatient())


@pytest.mark.parametrize("word", ["-help", "--help"])
def test_help_lists_the_keys_and_runs_nothing(word: str) -> None:
    (call,) = parse_commands(f"otbcli_TensorflowModelServe {word}")
    shown = described([call])
    assert "-source1.il (rasters; needed)" in shown
    assert "-optim.tilesizex" in shown
    assert "-source2.il" not in shown
    (call,) = parse_commands(f"otbcli_PatchesExtraction {word} vec field")
    assert [line.split()[0] for line in call.help.splitlines()[1:]] == ["Labels:", "-vec", "-field"]
    results = registry.run("RunCommandLine", {"command": f"otbcli_BandMathX {word}"})
    assert results["results"] == "[]"
    assert "-exp" in results["calls"]


@pytest.mark.parametrize(
    ("line", "notes"),
    [
        ("Superimpose -inr a.tif -inm b.tif -mode default -interpolator.bco.radius 2", []),
        ("Superimpose -inr a.tif -inm b.tif -lms 4", ["lms"]),
        ("Superimpose -inr a.tif -inm b.tif -elev.default 10 -elev.dem srtm", ["elev.default", "elev.dem"]),
        ("ExtractROI -in a.tif -elev.geoid egm96.grd", ["elev.geoid"]),
        ("PolygonClassStatistics -in a.tif -vec b.gpkg -field c -elev.default 0", ["elev.default"]),
    ],
)
def test_keys_of_otb_that_change_nothing_are_left_out(line: str, notes: list[str]) -> None:
    call = one(f"otbcli_{line} -out c.tif")
    assert [note.partition("=")[0] for note in call.notes] == notes


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Superimpose -inr a.tif -inm b.tif -mode phr -out c.tif", "-mode phr is not supported"),
        (
            "Superimpose -inr a.tif -inm b.tif -interpolator.bco.radius 3 -out c.tif",
            "-interpolator.bco.radius 3 is not supp",
        ),
        (
            "BandMathX -il a.tif -exp im1b1 -incontext c.txt -out b.tif",
            "-incontext c.txt is not supported: write the const",
        ),
        ("BandMathX -il a.tif -exp im1b1 -outcontext c.txt -out b.tif", "-outcontext c.txt is not supported"),
        ("BandMath -il a.tif -exp im1b1 -lsm 4 -out b.tif", "Unknown parameter lsm"),
    ],
)
def test_keys_of_otb_that_would_change_the_result_are_refused(line: str, message: str) -> None:
    with pytest.raises(ParameterError, match=f"Line 1: [A-Za-z]+: {message}"):
        one(f"otbcli_{line}")


@pytest.mark.parametrize("application", known_applications())
def test_help_says_what_an_application_does(application: str) -> None:
    """In words for users: nothing of Python, as docstrings of functions have it."""
    (call,) = parse_commands(f"otbcli_{application} -help")
    assert re.fullmatch(rf"{application}: [^`{{}}\"]+\.", call.help.splitlines()[0])


def test_creation_options_of_patches_are_carried_over() -> None:
    (call,) = parse_commands(
        "otbcli_PatchesExtraction -source1.il a.tif -source1.patchsizex 4 -source1.patchsizey 4 -vec p.gpkg -field c "
        '-source1.out "p.tif?&gdal:co:COMPRESS=DEFLATE&gdal:co:TILED=YES" -outlabels "l.tif?&gdal:co:COMPRESS=LZW" uint8'
    )
    assert call.values["source1.out.co"] == "COMPRESS=DEFLATE|TILED=YES"
    assert call.values["outlabels.co"] == "COMPRESS=LZW"

"""The page for those who come from OTBTF says what is there, and every key and name of OTBTF is."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from otbtf_qgis.core import otbApplication, pyotb, registry
from otbtf_qgis.core.parameters.classifierchoices import LEFT_OUT
from otbtf_qgis.core.parameters.parsing import keys
from otbtf_qgis.core.workflows.commandline import parse_commands

pytest.importorskip("osgeo")

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "from-otbtf.md").read_text(encoding="utf-8")

_SERVED = (
    "source{n}.il source{n}.rfieldx source{n}.rfieldy source{n}.placeholder source{n}.nodata output.spcscale output.names "
    "output.efieldx output.efieldy optim.disabletiling optim.tilesizex optim.tilesizey"
)
_MODEL = "dir userplaceholders fullyconv tagsets"
_CLASSIFIER = (
    "libsvm libsvm.k libsvm.m libsvm.c libsvm.nu libsvm.opt libsvm.prob boost boost.t boost.w boost.r boost.m dt dt.max "
    "dt.min dt.ra dt.cat dt.r dt.t ann ann.t ann.sizes ann.f ann.a ann.b ann.bpdw ann.bpms ann.rdw ann.rdwm ann.term "
    "ann.eps ann.iter bayes rf rf.max rf.min rf.ra rf.cat rf.var rf.nbtrees rf.acc knn knn.k"
)
OTBTF = {
    "LabelImageSampleSelection": "inref strategy strategy.constant.nb strategy.total.v nodata pad outvec ram",
    "PatchesSelection": "in mask nodata grid.step grid.psize grid.offsetx grid.offsety strategy strategy.split.random "
    "strategy.split.trainprop strategy.split.validprop strategy.split.testprop strategy.balanced.sp "
    "strategy.balanced.nclasses strategy.balanced.labelimage outtrain outvalid outtest ram",
    "PatchesExtraction": "source{n}.il source{n}.out source{n}.patchsizex source{n}.patchsizey source{n}.nodata vec field "
    "outlabels ram",
    "TensorflowModelServe": f"{_SERVED} {' '.join(f'model.{key}' for key in _MODEL.split())} output.bv out ram",
    "TensorflowModelTrain": "model.dir model.restorefrom model.saveto model.tagsets training.source{n}.il "
    "training.source{n}.patchsizex training.source{n}.patchsizey training.source{n}.placeholder training.batchsize "
    "training.epochs training.userplaceholders training.targetnodes training.outputtensors training.usestreaming "
    "validation.mode validation.step validation.userplaceholders validation.usestreaming validation.source{n}.il "
    "validation.source{n}.name",
    "TrainClassifierFromDeepFeatures": f"{_SERVED} {' '.join(f'model.{key}' for key in _MODEL.split())} output.bv ram vd "
    "valid out confmatout sample.mt sample.mv sample.bm sample.vtr sample.vfn elev.dem elev.geoid elev.default rand "
    + " ".join(f"classifier.{key}" for key in _CLASSIFIER.split() if "." in key),
    "ImageClassifierFromDeepFeatures": f"{_SERVED} {' '.join(f'deepmodel.{key}' for key in _MODEL.split())} output.bv model "
    "imstat nodatalabel out confmap ram",
    "DensePolygonClassStatistics": "in vec out field ram",
}
"""The keys of OTBTF 4.3's applications, with those of the OTB applications that they are made of."""

WITHOUT_MEMORY = ("LabelImageSampleSelection", "PatchesSelection")
"""Applications that take `ram`, and need none here."""

NAMES = {
    "otbtf": "__version__ gdal_open read_as_np_arr Buffer Dataset DatasetFromPatchesImages PatchesReaderBase "
    "PatchesImagesReader IteratorBase RandomIterator TFRecords ModelBase layers ops",
    "otbtf.model": "ModelBase _is_chief",
    "otbtf.utils": "gdal_open read_as_np_arr cropped_tensor_name",
    "otbtf.layers": "DilatedMask ApplyMask ScalarsTile Argmax Max",
    "otbtf.ops": "one_hot",
    "otbtf.dataset": "Buffer Dataset DatasetFromPatchesImages PatchesReaderBase PatchesImagesReader IteratorBase "
    "RandomIterator",
    "otbtf.tfrecords": "TFRecords",
    "tricks": "create_savedmodel CreateSavedModel ckpt_to_savedmodel CheckpointToSavedModel read_image_as_np read_samples "
    "gdal_open tf",
}


@pytest.mark.parametrize("application", OTBTF)
@pytest.mark.parametrize("number", [1, 13])
def test_every_key_of_otbtf_is_ours(application: str, number: int) -> None:
    wanted = [name.format(n=number) for name in OTBTF[application].split()]
    known = {key.name for key in keys(registry.declaration(application), wanted)}
    left_out = {"ram"} if application in WITHOUT_MEMORY else set(LEFT_OUT) if "Classifier" in application else set()
    assert [name for name in wanted if name not in known and name not in left_out] == []


def test_memory_is_accepted_of_every_application() -> None:
    for line in (
        "otbcli_LabelImageSampleSelection -inref l.tif -outvec p.shp -ram 512",
        "otbcli_PatchesSelection -in i.tif -grid.step 8 -grid.psize 8 -outtrain t.shp -ram 512",
    ):
        (call,) = parse_commands(line)
        assert "ram" not in call.values
    (call,) = parse_commands("otbcli_TensorflowModelServe -source1.il a.tif -model.dir m -out o.tif -ram 512")
    assert call.values["ram"] == "512"


@pytest.mark.parametrize("application", OTBTF)
def test_every_application_is_on_the_page(application: str) -> None:
    assert f"| `{application}` | `otbtf:{application.lower()}` |" in PAGE


def test_the_page_names_what_is_there() -> None:
    algorithms = set(re.findall(r"`otbtf:(\w+)`", PAGE))
    assert algorithms <= {name.lower() for name in registry.names()}
    table = PAGE.split("Of OTB's own applications")[1].split("Every other application")[0]
    for row in re.findall(r"^\| (`.*?) \| .* \|$", table, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", row):
            assert name in otbApplication.Registry.GetAvailableApplications()
    refused = PAGE.split("Every other application")[1].split("They are refused")[0]
    for name in re.findall(r"`(\w+)`", refused):
        assert not hasattr(pyotb, name)
    for key in LEFT_OUT:
        assert f"`{key}`" in PAGE or key.startswith("classifier.")


@pytest.mark.parametrize("module", NAMES)
def test_every_name_of_otbtf_is_ours(module: str) -> None:
    pytest.importorskip("tensorflow")
    ours = module.replace("otbtf", "otbtf_qgis.core") if module != "tricks" else "otbtf_qgis.core.tricks"
    found = importlib.import_module(ours)
    names = NAMES[module].split()
    assert [name for name in names if not hasattr(found, name)] == []
    assert [name for name in names if name not in PAGE] == []


def test_links_lead_somewhere() -> None:
    folder = Path(__file__).resolve().parents[3] / "docs"
    assert [link for link in re.findall(r"\]\(([\w/.-]+)\)", PAGE) if not (folder / link).exists()] == []
    assert "(from-otbtf.md)" in (folder / "index.md").read_text(encoding="utf-8")

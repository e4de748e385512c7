"""The Processing algorithms, one module each: parameters in, a request to core, outputs back."""

from __future__ import annotations


def algorithm_classes() -> list[type]:
    """Return the classes of all algorithms. Importing them needs QGIS; importing this package does not."""
    from .createexampledata import CreateExampleData
    from .densepolygonclassstatistics import DensePolygonClassStatistics
    from .describemodel import DescribeModel
    from .enginereport import EngineReport
    from .exportsavedmodel import ExportSavedModel
    from .installengine import InstallEngine
    from .labelimagesampleselection import LabelImageSampleSelection
    from .patchesextraction import PatchesExtraction
    from .patchesmosaic import PatchesMosaic
    from .patchesselection import PatchesSelection
    from .polygonclassstatistics import PolygonClassStatistics
    from .runcommandline import RunCommandLine
    from .sampleextraction import SampleExtraction
    from .sampleselection import SampleSelection
    from .tensorflowmodelserve import TensorflowModelServe

    return [
        CreateExampleData,
        DensePolygonClassStatistics,
        DescribeModel,
        EngineReport,
        ExportSavedModel,
        InstallEngine,
        LabelImageSampleSelection,
        PatchesExtraction,
        PatchesMosaic,
        PatchesSelection,
        PolygonClassStatistics,
        RunCommandLine,
        SampleExtraction,
        SampleSelection,
        TensorflowModelServe,
    ]

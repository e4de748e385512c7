"""The Processing algorithms, one module each: parameters in, a request to core, outputs back."""

from __future__ import annotations


def algorithm_classes() -> list[type]:
    """Return the classes of all algorithms. Importing them needs QGIS; importing this package does not."""
    from .bandmath import BandMath
    from .bandmathx import BandMathX
    from .computeconfusionmatrix import ComputeConfusionMatrix
    from .concatenateimages import ConcatenateImages
    from .createexampledata import CreateExampleData
    from .createmodel import CreateModel
    from .densepolygonclassstatistics import DensePolygonClassStatistics
    from .describemodel import DescribeModel
    from .enginereport import EngineReport
    from .exportsavedmodel import ExportSavedModel
    from .extractroi import ExtractROI
    from .imageclassifier import ImageClassifier
    from .imageclassifierfromdeepfeatures import ImageClassifierFromDeepFeatures
    from .installengine import InstallEngine
    from .labelimagesampleselection import LabelImageSampleSelection
    from .landcovermap import LandCoverMap
    from .managenodata import ManageNoData
    from .patchesextraction import PatchesExtraction
    from .patchesmosaic import PatchesMosaic
    from .patchesselection import PatchesSelection
    from .polygonclassstatistics import PolygonClassStatistics
    from .runcommandline import RunCommandLine
    from .sampleextraction import SampleExtraction
    from .sampleselection import SampleSelection
    from .superimpose import Superimpose
    from .tensorboard import TensorBoard
    from .tensorflowmodelserve import TensorflowModelServe
    from .tensorflowmodeltrain import TensorflowModelTrain
    from .trainclassifierfromdeepfeatures import TrainClassifierFromDeepFeatures
    from .trainvectorclassifier import TrainVectorClassifier

    return [
        BandMath,
        BandMathX,
        ComputeConfusionMatrix,
        ConcatenateImages,
        CreateExampleData,
        CreateModel,
        DensePolygonClassStatistics,
        DescribeModel,
        EngineReport,
        ExportSavedModel,
        ExtractROI,
        ImageClassifier,
        ImageClassifierFromDeepFeatures,
        InstallEngine,
        LabelImageSampleSelection,
        LandCoverMap,
        ManageNoData,
        PatchesExtraction,
        PatchesMosaic,
        PatchesSelection,
        PolygonClassStatistics,
        RunCommandLine,
        SampleExtraction,
        SampleSelection,
        Superimpose,
        TensorBoard,
        TensorflowModelServe,
        TensorflowModelTrain,
        TrainClassifierFromDeepFeatures,
        TrainVectorClassifier,
    ]

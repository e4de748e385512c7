"""The operations that a table can run, and those whose results add up."""

from __future__ import annotations

OPERATIONS = (
    "TensorflowModelServe",
    "ImageClassifier",
    "ImageClassifierFromDeepFeatures",
    "ComputeConfusionMatrix",
    "ComputeImagesStatistics",
    "PolygonClassStatistics",
    "DensePolygonClassStatistics",
    "SampleSelection",
    "LabelImageSampleSelection",
    "SampleExtraction",
    "SampleAugmentation",
    "ObjectLabels",
    "PatchesSelection",
    "PatchesExtraction",
    "PatchesMosaic",
    "LandCoverMap",
    "RegressionMap",
    "MapToPolygons",
    "FindLearningRate",
    "DetectObjects",
    "AssessDetections",
    "TrainModel",
    "TensorflowModelTrain",
    "TrainVectorClassifier",
    "TrainClassifierFromDeepFeatures",
    "CreateModel",
    "DescribeModel",
    "ExportSavedModel",
    "BandMath",
    "BandMathX",
    "ConcatenateImages",
    "ExtractROI",
    "ManageNoData",
    "Superimpose",
)
"""Those that make files from files. The others start programs, install, show something, or run operations themselves."""

MERGED = (
    "PolygonClassStatistics",
    "DensePolygonClassStatistics",
    "ComputeImagesStatistics",
    "ComputeConfusionMatrix",
    "SampleSelection",
    "SampleExtraction",
)
"""Those whose results add up."""

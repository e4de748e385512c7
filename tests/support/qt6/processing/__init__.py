"""Stands for QGIS's Processing plugin, where the plugin meets it."""


def execAlgorithmDialog(name): ...

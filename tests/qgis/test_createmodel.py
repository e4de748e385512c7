"""otbtf:createmodel's help."""

from __future__ import annotations

from html import unescape

from otbtf_qgis.core.parameters.templatenames import TEMPLATES
from otbtf_qgis.provider import OtbtfProvider


def test_the_help_tells_each_templates_use_geometry_and_origin(provider: OtbtfProvider) -> None:
    text = unescape(provider.algorithm("createmodel").shortHelpString())
    for template in TEMPLATES.values():
        assert f"{template.name} \u2013 {template.use}" in text
        assert template.geometry.describe() in text
        assert template.origin in text

"""The proxy of QGIS's settings, as pip gets it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from qgis.core import QgsApplication, QgsAuthMethodConfig, QgsNetworkAccessManager, QgsProcessingFeedback, QgsSettings

from otbtf_qgis.algorithms.proxysettings import proxy_variables
from otbtf_qgis.core.machine.proxies import with_proxy
from otbtf_qgis.provider import OtbtfProvider


@pytest.fixture
def settings(qgis_app: QgsApplication) -> Iterator[Any]:
    """Sets proxy settings as the options dialog does, until the test ends."""
    stored = QgsSettings()

    def set_them(**values: Any) -> None:
        for name, value in values.items():
            stored.setValue(f"proxy/{name}", value)
        QgsNetworkAccessManager.instance().setupDefaultProxyAndCache()

    yield set_them
    stored.remove("proxy")
    QgsNetworkAccessManager.instance().setupDefaultProxyAndCache()


def test_no_proxy_changes_nothing(settings: Any) -> None:
    settings(proxyEnabled=False, proxyHost="proxy.test", proxyPort="3128", proxyType="HttpProxy")
    assert proxy_variables() == {}


def test_user_password_and_exceptions(settings: Any) -> None:
    settings(
        proxyEnabled=True,
        proxyHost="proxy.test",
        proxyPort="3128",
        proxyType="HttpProxy",
        proxyUser="me",
        proxyPassword="p@ss w/rd",
        noProxyUrls=["http://intranet.test/maps", "local.test"],
    )
    address = "http://me:p%40ss%20w%2Frd@proxy.test:3128"
    assert proxy_variables() == {
        "HTTP_PROXY": address,
        "HTTPS_PROXY": address,
        "NO_PROXY": "intranet.test,local.test",
    }


def test_socks(settings: Any) -> None:
    settings(proxyEnabled=True, proxyHost="::1", proxyPort="1080", proxyType="Socks5Proxy")
    assert proxy_variables()["HTTPS_PROXY"] == "socks5h://[::1]:1080"


def test_an_authentication_configuration(settings: Any) -> None:
    manager = QgsApplication.authManager()
    if manager.isDisabled() or not manager.setMasterPassword("master", True):
        pytest.skip("this QGIS has no authentication system")
    config = QgsAuthMethodConfig("Basic")
    config.setName("proxy")
    config.setConfig("username", "stored")
    config.setConfig("password", "secret")  # pragma: allowlist secret
    assert manager.storeAuthenticationConfig(config)
    try:
        settings(proxyEnabled=True, proxyHost="proxy.test", proxyPort="80", proxyType="HttpProxy", authcfg=config.id())
        assert proxy_variables()["HTTPS_PROXY"] == "http://stored:secret@proxy.test:80"
    finally:
        manager.removeAuthenticationConfig(config.id())


def test_the_installation_uses_it_and_its_log_does_not_show_it(
    settings: Any, provider: OtbtfProvider, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def run_here(name: str, values: Any, progress: Any) -> dict[str, Any]:
        found.append((name, with_proxy({}), values))
        return {}

    monkeypatch.setattr("otbtf_qgis.algorithms.base.run_here", run_here)
    settings(
        proxyEnabled=True,
        proxyHost="proxy.test",
        proxyPort="80",
        proxyType="HttpProxy",
        proxyUser="me",
        proxyPassword="secret",  # pragma: allowlist secret
    )
    feedback = QgsProcessingFeedback()
    _, fine = provider.algorithm("installengine").create().run({}, context, feedback)
    assert fine
    ((name, variables, values),) = found
    assert (name, variables["HTTPS_PROXY"]) == ("InstallEngine", "http://me:secret@proxy.test:80")
    assert "secret" not in f"{values} {feedback.textLog()}" and "the proxy of QGIS's settings" in feedback.textLog()
    assert with_proxy({}) == {}

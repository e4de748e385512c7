"""The proxy of QGIS's settings, for pip."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from qgis.core import QgsNetworkAccessManager
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtNetwork import QNetworkProxy, QNetworkProxyFactory, QNetworkProxyQuery

INDEX = "https://pypi.org/"

_SCHEMES = {
    QNetworkProxy.ProxyType.HttpProxy: "http",
    QNetworkProxy.ProxyType.HttpCachingProxy: "http",
    QNetworkProxy.ProxyType.Socks5Proxy: "socks5h",
}


def proxy_variables() -> dict[str, str]:
    """Return the environment variables by which pip uses QGIS's proxy; empty where QGIS has none. Main thread only.

    The user and the password are those of the settings, or of the authentication configuration that they name.
    """
    manager = QgsNetworkAccessManager.instance()
    address = _address(_system_proxy() if manager.useSystemProxy() else manager.fallbackProxy())
    if not address:
        return {}
    direct = _hosts([*manager.excludeList(), *manager.noProxyList()])
    return {"HTTP_PROXY": address, "HTTPS_PROXY": address, **({"NO_PROXY": ",".join(direct)} if direct else {})}


def _system_proxy() -> QNetworkProxy:
    """Return the proxy that the operating system names for the package index, by a script too."""
    return QNetworkProxyFactory.systemProxyForQuery(QNetworkProxyQuery(QUrl(INDEX)))[0]


def _address(proxy: QNetworkProxy) -> str:
    scheme = _SCHEMES.get(proxy.type())
    if scheme is None or not proxy.hostName():
        return ""
    user, password = quote(proxy.user(), safe=""), quote(proxy.password(), safe="")
    login = f"{user}:{password}@" if password else f"{user}@" if user else ""
    host = f"[{proxy.hostName()}]" if ":" in proxy.hostName() else proxy.hostName()
    return f"{scheme}://{login}{host}:{proxy.port()}"


def _hosts(addresses: Iterable[str]) -> list[str]:
    """Return the hosts of addresses that QGIS reaches without the proxy."""
    hosts = (QUrl(text).host() or text.split("/")[0] for text in addresses)
    return [host for host in hosts if host]

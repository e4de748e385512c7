"""The proxy that pip uses."""

from __future__ import annotations

import threading

from otbtf_qgis.core.machine.proxies import used, with_proxy, without_credentials

OWN = {"https_proxy": "http://old:1", "HTTP_PROXY": "http://old:1", "NO_PROXY": "here", "PATH": "/bin"}


def test_the_proxy_replaces_those_of_the_environment_in_any_spelling():
    with used({"HTTPS_PROXY": "http://new:2", "HTTP_PROXY": "http://new:2"}):
        assert with_proxy(OWN) == {
            "HTTPS_PROXY": "http://new:2",
            "HTTP_PROXY": "http://new:2",
            "NO_PROXY": "here",
            "PATH": "/bin",
        }
    assert with_proxy(OWN) == OWN


def test_without_a_proxy_the_environment_stays():
    with used({}):
        assert with_proxy(OWN) == OWN


def test_another_thread_has_none():
    found = []
    with used({"HTTPS_PROXY": "http://new:2"}):
        thread = threading.Thread(target=lambda: found.append(with_proxy({})))
        thread.start()
        thread.join()
    assert found == [{}]


def test_credentials_are_taken_out():
    told = "Please check proxy URL: http://me:p%40ss@host:3128, then https://token@index/simple; mail a@b.org"
    assert without_credentials(told) == (
        "Please check proxy URL: http://***@host:3128, then https://***@index/simple; mail a@b.org"
    )

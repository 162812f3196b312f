"""TLS contexts: one for all that ask for an equal one, and nothing else changed."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import certifi
import pytest

from pytest_runloop.cassettes.traffic.tls import SharedContexts
from tests.unit.cassettes.traffic import Traffic, patched

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["httpx", "httpx2"])
def http(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401 - either library
    return pytest.importorskip(request.param)


class Maker:
    """Counts."""

    def __init__(self) -> None:
        self.made: list[dict[str, object]] = []

    def __call__(self, **asked: object) -> object:
        self.made.append(asked)
        return object()


def context_of(transport: Any) -> ssl.SSLContext:  # noqa: ANN401 - either library's
    context: ssl.SSLContext = transport._pool._ssl_context
    return context


def trusted(context: ssl.SSLContext) -> object:
    """Whom a context trusts; truststore's, which some releases of httpx2 take, knows that only when it connects."""
    return context.cert_store_stats() if type(context) is ssl.SSLContext else type(context)


def test_transports_of_one_library_share_a_context_that_verifies_as_ever(http: Any) -> None:  # noqa: ANN401 - either library
    own = context_of(http.HTTPTransport())
    with patched(Traffic("http://127.0.0.1:1")):
        one, other = context_of(http.HTTPTransport()), context_of(http.AsyncHTTPTransport(http2=True))
        lax = context_of(http.HTTPTransport(verify=False))
    assert one is other
    for context in (one, own):
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert trusted(one) == trusted(own)
    assert (one.options, one.minimum_version) == (own.options, own.minimum_version)
    assert (lax.verify_mode, lax.check_hostname) == (ssl.CERT_NONE, False)
    assert context_of(http.HTTPTransport()) is not one


def test_what_cannot_be_compared_is_made_anew() -> None:
    maker = Maker()
    shared = SharedContexts(maker)
    mine = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    for asked in ({"verify": mine}, {"verify": certifi.where()}, {"cert": "client.pem"}):
        assert shared(**asked) is not shared(**asked)

    assert [made["verify"] for made in maker.made] == [mine, mine, certifi.where(), certifi.where(), True, True]
    assert shared() is shared(True, None, True)
    assert shared(trust_env=False) is not shared()


def test_another_set_of_certificates_is_another_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = SharedContexts(Maker())
    file = tmp_path / "ca.pem"
    file.write_text("one")
    usual = shared()
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    first = shared()
    assert first is not usual
    assert shared() is first
    file.write_text("another")
    assert shared() is not first
    second = shared()
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert shared() is not second

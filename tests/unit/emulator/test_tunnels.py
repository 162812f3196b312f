from __future__ import annotations

import pytest

from pytest_runloop.emulator.domain.tunnels import Door, door_of_host, door_of_path


@pytest.mark.parametrize(
    "host",
    ["8000-k3y.tunnel.runloop.ai", "8000-k3y.tunnel.127.0.0.1", "8000-k3y.tunnel.localhost:8700", "8000-k3y.tunnel"],
)
def test_a_host_name_tells_port_and_key(host: str) -> None:
    assert door_of_host(host) == Door(port=8000, key="k3y")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8700",
        "tunnel.runloop.ai",
        "8000.tunnel.runloop.ai",
        "0-k3y.tunnel.runloop.ai",
        "65536-k3y.tunnel.runloop.ai",
        "123456-k3y.tunnel.runloop.ai",
        "\u0668-k3y.tunnel.runloop.ai",
        "x-k3y.tunnel.runloop.ai",
        "8000-.tunnel.runloop.ai",
        "8000-a.b.tunnel.runloop.ai",
        "8000-k3y.tunnels.runloop.ai",
        "",
    ],
)
def test_any_other_host_is_none(host: str) -> None:
    assert door_of_host(host) is None


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("/_emulator/tunnels/8000-k3y", "/"),
        ("/_emulator/tunnels/8000-k3y/", "/"),
        ("/_emulator/tunnels/8000-k3y/a%20b//c", "/a%20b//c"),
    ],
)
def test_a_path_tells_the_same_and_what_is_behind_it(path: str, rest: str) -> None:
    assert door_of_path(path) == (Door(port=8000, key="k3y"), rest)


@pytest.mark.parametrize("path", ["/_emulator/tunnels/", "/_emulator/tunnels/k3y/a", "/v1/devboxes"])
def test_any_other_path_is_none(path: str) -> None:
    assert door_of_path(path) is None

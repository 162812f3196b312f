from __future__ import annotations

from typing import Any

import pytest

from pytest_runloop.emulator.domain.policies import allows_address, allows_host, parse_policy, settled
from pytest_runloop.emulator.domain.problems import ApiProblem


def rules(**egress: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of a policy
    return settled(parse_policy({"name": "p", **egress}, new=True)["egress"])


@pytest.mark.parametrize(
    ("pattern", "host", "allowed"),
    [
        ("github.com", "github.com", True),
        ("github.com", "GitHub.com.", True),
        ("github.com", "api.github.com", False),
        ("github.com", "notgithub.com", False),
        ("*.npmjs.org", "registry.npmjs.org", True),
        ("*.npmjs.org", "a.b.npmjs.org", True),
        ("*.npmjs.org", "npmjs.org", False),
        ("*.npmjs.org", "evilnpmjs.org", False),
        ("*.npmjs.org", "npmjs.org.evil.com", False),
        ("*", "anything.at.all", True),
    ],
)
def test_hosts_match_their_patterns(pattern: str, host: str, allowed: object) -> None:
    assert allows_host(rules(allowed_hostnames=[pattern]), host) is allowed


def test_nothing_said_allows_nothing_and_allow_all_everything() -> None:
    assert not allows_host(rules(), "a.com")
    assert not allows_address(rules(), "192.0.2.1", 443)
    assert allows_host(rules(allow_all=True), "a.com")
    assert allows_address(rules(allow_all=True), "192.0.2.1", 443)


@pytest.mark.parametrize(
    ("ports", "port", "allowed"),
    [
        (None, 22, True),
        ([], 22, True),
        ([{"port": 443}], 443, True),
        ([{"port": 443}], 444, False),
        ([{"port": 8000, "end_port": 8010}], 8010, True),
        ([{"port": 8000, "end_port": 8010}], 8011, False),
        ([{"port": 443, "protocol": "UDP"}], 443, False),
    ],
)
def test_addresses_match_ranges_and_ports(ports: object, port: int, allowed: object) -> None:
    egress = rules(allowed_cidrs=[{"cidr": "10.12.0.0/16", "ports": ports}])

    assert allows_address(egress, "10.12.255.1", port) is allowed
    assert not allows_address(egress, "10.13.0.1", port)
    assert not allows_address(egress, "fd00::1", port)


def test_an_update_has_only_what_it_says() -> None:
    assert parse_policy({"allow_all": True}, new=False) == {"egress": {"allow_all": True}}
    with pytest.raises(ApiProblem, match="name"):
        parse_policy({"allow_all": True}, new=True)


def test_a_range_of_ports_does_not_run_backwards() -> None:
    with pytest.raises(ApiProblem, match="end_port"):
        rules(allowed_cidrs=[{"cidr": "10.0.0.0/8", "ports": [{"port": 9, "end_port": 8}]}])

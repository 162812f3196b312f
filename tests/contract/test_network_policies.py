"""Network policies: their records, and what a devbox under one reaches."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest
from runloop_api_client import BadRequestError, NotFoundError, RunloopSDK
from runloop_api_client.sdk import Devbox, NetworkPolicy

from tests.contract.conftest import Service

Create = Callable[..., Devbox]
Policy = Callable[..., NetworkPolicy]
FLAGS = ("allow_all", "allow_devbox_to_devbox", "allow_agent_gateway", "allow_mcp_gateway", "allow_runloop_mirrors")


def name() -> str:
    return f"policy-{uuid.uuid4().hex}"


@pytest.fixture
def policy(sdk: RunloopSDK) -> Iterator[Policy]:
    """Make policies that end with the test."""
    made: list[NetworkPolicy] = []

    def make(**fields: object) -> NetworkPolicy:
        made.append(sdk.network_policy.create(**{"name": name(), **fields}))  # type: ignore[arg-type] # the client's
        return made[-1]

    yield make
    for one in made:
        one.delete()


def refused(devbox: Devbox, url: str) -> bool:
    """Say whether the policy, and not something else, keeps a devbox from a host."""
    result = devbox.cmd.exec(f"curl -sS --max-time 20 {url}")
    return "network policy" in result.stdout() or "CONNECT tunnel failed, response 403" in result.stderr()


def test_what_was_said_is_nested(policy: Policy) -> None:
    """Network policies: flat in the body, under `egress` in the view."""
    hosts = ["github.com", "*.npmjs.org", "*.a.example.com", "api.openai.com"]

    view = policy(description="d", allowed_hostnames=hosts, allow_mcp_gateway=True).get_info()

    assert view.id.startswith("npol_")
    assert (view.description, view.egress.allowed_hostnames) == ("d", hosts)
    assert [flag for flag in FLAGS if getattr(view.egress, flag)] == ["allow_mcp_gateway"]
    assert view.update_time_ms >= view.create_time_ms > 0


def test_nothing_said_denies_all(policy: Policy) -> None:
    """Network policies: all defaults are false and empty."""
    egress = policy().get_info().egress

    assert not any(getattr(egress, flag) for flag in FLAGS)
    assert egress.allowed_hostnames == []
    assert egress.allowed_cidrs == []


def test_allow_all_includes_devbox_to_devbox_and_can_be_taken_back(policy: Policy) -> None:
    """Network policies: allow_all sets allow_devbox_to_devbox; it toggles both ways."""
    made = policy(allow_all=True)

    assert made.get_info().egress.allow_devbox_to_devbox
    egress = made.update(allow_all=False).egress
    assert (egress.allow_all, egress.allow_devbox_to_devbox) == (False, False)


def test_an_update_changes_what_it_says(policy: Policy) -> None:
    """Network policies, update: absent fields stay; lists are replaced; an empty list stays empty."""
    made = policy(description="d", allowed_hostnames=["a.com", "b.com"], allow_agent_gateway=True)
    renamed = name()

    assert made.update(name=renamed).name == renamed
    assert made.update(allowed_hostnames=["c.com"]).egress.allowed_hostnames == ["c.com"]
    view = made.update(allowed_hostnames=[])
    assert (view.name, view.description, view.egress.allow_agent_gateway) == (renamed, "d", True)
    assert made.get_info().egress.allowed_hostnames == []


def test_ranges_of_addresses_are_kept(policy: Policy) -> None:
    """Network policies: allowed_cidrs with ports."""
    rules = [{"cidr": "10.12.0.0/16", "ports": [{"port": 443, "end_port": 445, "protocol": "TCP"}]}]

    (rule,) = policy(allowed_cidrs=rules).get_info().egress.allowed_cidrs

    assert rule.cidr == "10.12.0.0/16"
    assert rule.ports is not None
    assert (rule.ports[0].port, rule.ports[0].end_port, rule.ports[0].protocol) == (443, 445, "TCP")


def test_addresses_of_objects_need_a_policy_that_allows_all(
    emulator: Service, sdk: RunloopSDK, policy: Policy, create: Create
) -> None:
    """Network policies: contents of objects are outside as well."""
    one = sdk.storage_object.upload_from_text("text", name="outside")
    devbox = create(launch_parameters={"network_policy_id": policy(allowed_hostnames=["127.0.0.1"]).id})

    assert refused(devbox, f"'{one.get_download_url().download_url}'")
    one.delete()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"allowed_hostnames": ["a.*.com"]}, "allowed_hostnames"),
        ({"allowed_hostnames": ["http://a.com"]}, "allowed_hostnames"),
        ({"allowed_cidrs": [{"cidr": "10.12.0.1/16"}]}, "allowed_cidrs"),
        ({"allowed_cidrs": [{"cidr": "fd00::/8"}]}, "allowed_cidrs"),
        ({"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 0}]}]}, "port"),
    ],
)
def test_a_wrong_policy_is_refused(emulator: Service, http: httpx.Client, wrong: dict[str, object], field: str) -> None:
    """Network policies, create: 400."""
    answer = http.post("/v1/network-policies", json={"name": name(), **wrong})

    assert answer.status_code == 400
    assert field in answer.json()["message"]


def test_a_name_is_one_policys_until_it_is_deleted(sdk: RunloopSDK, policy: Policy) -> None:
    """Network policies: names are unique."""
    taken = policy().get_info().name
    other = policy()

    with pytest.raises(BadRequestError, match="already exists"):
        sdk.network_policy.create(name=taken)
    with pytest.raises(BadRequestError, match="already exists"):
        other.update(name=taken)
    freed = name()
    sdk.network_policy.create(name=freed).delete()
    assert policy(name=freed).get_info().name == freed


def test_lists_find_policies(sdk: RunloopSDK, policy: Policy) -> None:
    """Network policies, list: by a part of the name, by id, and page by page."""
    mark = uuid.uuid4().hex
    ids = [policy(name=f"list-{mark}-{n}").id for n in range(3)]

    assert {one.id for one in sdk.network_policy.list(limit=100)} >= set(ids)
    assert [one.id for one in sdk.network_policy.list(name=mark)] == ids[::-1]
    assert [one.id for one in sdk.network_policy.list(id=ids[1])] == [ids[1]]
    assert [one.id for one in sdk.network_policy.list(search=mark, limit=2, starting_after=ids[2])] == ids[1::-1]
    assert sdk.network_policy.from_id(ids[0]).id == ids[0]


def test_a_deleted_policy_is_gone(sdk: RunloopSDK) -> None:
    """Network policies, delete: the view once more, then 404."""
    made = sdk.network_policy.create(name=name())

    assert made.delete() is not None
    with pytest.raises(NotFoundError):
        made.get_info()


def test_an_unknown_policy_makes_no_devbox(sdk: RunloopSDK) -> None:
    """Devbox API, create: 400 for an id that isn't there."""
    with pytest.raises(BadRequestError, match="network_policy_id"):
        sdk.devbox.create(launch_parameters={"network_policy_id": "npol_nosuch"})


def test_a_policy_in_use_stays_until_its_devbox_is_over(sdk: RunloopSDK) -> None:
    """Network policies, delete: 400 while active devboxes use it; shut them down first."""
    made = sdk.network_policy.create(name=name())
    devbox = sdk.devbox.create(launch_parameters={"network_policy_id": made.id})

    with pytest.raises(BadRequestError, match="in use"):
        made.delete()
    devbox.shutdown()
    assert made.delete() is not None


def test_a_policy_that_denies_all_lets_nothing_out(create: Create, sdk: RunloopSDK) -> None:
    """Network policies: no hosts and no allow_all means no network."""
    with using(sdk, create) as devbox:
        assert refused(devbox, "http://example.com")
        assert refused(devbox, "https://example.com")
        assert refused(devbox, "http://192.0.2.1")
        # Nor past the proxy: there is no other way out.
        assert not devbox.cmd.exec("timeout 5 bash -c 'echo > /dev/tcp/192.0.2.1/80'").success
        assert devbox.cmd.exec("echo inside works").success


def test_a_policy_that_allows_all_lets_everything_out(create: Create, sdk: RunloopSDK) -> None:
    """Network policies: allow_all."""
    with using(sdk, create, allow_all=True) as devbox:
        assert not refused(devbox, "http://example.com")


def test_hosts_are_allowed_by_name(create: Create, sdk: RunloopSDK) -> None:
    """Network policies: allowed_hostnames, where a wildcard stands for what is before a name, not for nothing."""
    with using(sdk, create, allowed_hostnames=["exact.invalid", "*.under.invalid"]) as devbox:
        assert not refused(devbox, "http://exact.invalid")
        assert not refused(devbox, "https://EXACT.invalid")
        assert not refused(devbox, "http://a.under.invalid")
        assert not refused(devbox, "http://b.a.under.invalid")
        assert refused(devbox, "http://under.invalid")
        assert refused(devbox, "http://not-exact.invalid")
        assert refused(devbox, "http://exact.invalid.example.com")


def test_a_blueprint_gives_its_policy_to_devboxes(create: Create, sdk: RunloopSDK, policy: Policy) -> None:
    """Launch parameters: network_policy_id in a blueprint's is inherited, and overridden by the devbox's own."""
    strict, free = policy(), policy(allow_all=True)
    blueprint = sdk.blueprint.create(name=name(), launch_parameters={"network_policy_id": strict.id})
    inheriting = create(blueprint_id=blueprint.id)
    overriding = create(blueprint_id=blueprint.id, launch_parameters={"network_policy_id": free.id})

    assert inheriting.get_info().launch_parameters.network_policy_id == strict.id
    assert refused(inheriting, "http://example.com")
    assert not refused(overriding, "http://example.com")
    for devbox in (inheriting, overriding):
        devbox.shutdown()
    blueprint.delete()


def test_a_build_has_a_policy_of_its_own(create: Create, sdk: RunloopSDK, policy: Policy) -> None:
    """Blueprints: network_policy_id is for the build only; devboxes made from it are free."""
    fetch = "curl -sS http://example.com > fetched 2>&1; true"
    blueprint = sdk.blueprint.create(name=name(), network_policy_id=policy().id, system_setup_commands=[fetch])
    devbox = create(blueprint_id=blueprint.id)

    assert "network policy" in devbox.cmd.exec("cat fetched").stdout()
    assert not refused(devbox, "http://example.com")
    with pytest.raises(BadRequestError, match="network_policy_id"):
        sdk.blueprint.create(name=name(), network_policy_id="npol_nosuch")
    devbox.shutdown()
    blueprint.delete()


def test_a_running_devbox_keeps_the_rules_it_started_with(create: Create, sdk: RunloopSDK) -> None:
    """The emulator's reading of what isn't documented: a change reaches a devbox when it is resumed."""
    made = sdk.network_policy.create(name=name())
    devbox = create(launch_parameters={"network_policy_id": made.id})

    made.update(allow_all=True)

    assert refused(devbox, "http://example.com")
    devbox.suspend()
    devbox.await_suspended()
    devbox.resume()
    assert not refused(devbox, "http://example.com")
    devbox.shutdown()
    made.delete()


def test_other_devboxes_are_reached_by_their_tunnels_if_the_policy_says_so(
    emulator: Service, create: Create, sdk: RunloopSDK
) -> None:
    """Network policies: allow_devbox_to_devbox is traffic via tunnels."""
    other = create(tunnel={})
    other.cmd.exec("echo there > here; nohup python3 -m http.server 8000 > /dev/null 2>&1 & sleep 1")
    key = other.get_info().tunnel.tunnel_key  # type: ignore[union-attr]
    url = f"http://8000-{key}.tunnel.runloop.ai/here"

    assert create().cmd.exec(f"curl -sS {url}").stdout() == "there\n"
    with using(sdk, create, allow_devbox_to_devbox=True) as devbox:
        assert devbox.cmd.exec(f"curl -sS {url}").stdout() == "there\n"
    with using(sdk, create, allowed_hostnames=["*.runloop.ai"]) as devbox:
        assert refused(devbox, url)


class using:  # noqa: N801 - reads as a verb
    """A devbox under a policy of its own; both end with the block."""

    def __init__(self, sdk: RunloopSDK, create: Create, **fields: object) -> None:
        self.policy = sdk.network_policy.create(**{"name": name(), **fields})  # type: ignore[arg-type] # the client's
        self.devbox = create(launch_parameters={"network_policy_id": self.policy.id})

    def __enter__(self) -> Devbox:
        return self.devbox

    def __exit__(self, *_: object) -> None:
        self.devbox.shutdown()
        self.policy.delete()


def test_a_range_of_addresses_and_ports_is_let_through(emulator: Service, policy: Policy, create: Create) -> None:
    """Network policies: allowed_cidrs. Nobody is at these addresses: what is let through fails, but isn't refused."""
    rules = [
        {"cidr": "127.8.0.0/16", "ports": [{"port": 8, "end_port": 9, "protocol": "TCP"}]},
        {"cidr": "127.9.0.1/32", "ports": [{"port": 10, "end_port": None}]},
        {"cidr": "127.9.0.3/32"},
    ]
    devbox = create(launch_parameters={"network_policy_id": policy(allowed_cidrs=rules).id})

    status = "curl -s --max-time 20 -o /dev/null -w '%{http_code} ' http://"
    places = [
        "127.8.0.1:8",
        "127.8.255.9:9",
        "127.8.0.1:10",
        "127.7.0.1:8",
        "127.9.0.1:10",
        "127.9.0.1:11",
        "127.9.0.2:8",
        "127.9.0.3:8",
    ]
    found = devbox.cmd.exec("; ".join(status + place for place in places)).stdout().split()

    assert found == ["502", "502", "403", "403", "502", "403", "403", "502"]

"""Gateway configs, MCP configs, their tokens, and requests that go through them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from runloop_api_client import BadRequestError, NotFoundError, RunloopSDK
from runloop_api_client.sdk import Devbox, GatewayConfig, McpConfig, Secret

from tests.contract.upstream import Upstream, serve

Create = Callable[..., Devbox]
VALUE = "s3cret-of-the-account"


def name(what: str) -> str:
    return f"{what}-{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def secret(sdk: RunloopSDK) -> Iterator[Secret]:
    made = sdk.secret.create(name=name("secret"), value=VALUE)
    yield made
    made.delete()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """The service behind a gateway."""
    with serve() as upstream:
        yield upstream


@pytest.fixture
def gateway(sdk: RunloopSDK) -> Iterator[Callable[..., GatewayConfig]]:
    """Make gateway configs that end with the test."""
    made: list[GatewayConfig] = []

    def make(**fields: object) -> GatewayConfig:
        defaults = {"name": name("gw"), "endpoint": "https://api.example.com", "auth_mechanism": {"type": "bearer"}}
        made.append(sdk.gateway_config.create(**{**defaults, **fields}))  # type: ignore[arg-type] # the client's
        return made[-1]

    yield make
    for one in made:
        one.delete()


@pytest.fixture
def mcp(sdk: RunloopSDK) -> Iterator[Callable[..., McpConfig]]:
    """Make MCP configs that end with the test."""
    made: list[McpConfig] = []

    def make(**fields: object) -> McpConfig:
        defaults = {"name": name("mcp"), "endpoint": "https://mcp.example.com", "allowed_tools": ["*"]}
        made.append(sdk.mcp_config.create(**{**defaults, **fields}))  # type: ignore[arg-type] # the client's
        return made[-1]

    yield make
    for one in made:
        one.delete()


@dataclass(frozen=True)
class Scene:
    """A gateway config, a secret, and a service that both are for."""

    upstream: Upstream
    secret: str
    config: GatewayConfig
    create: Create

    def devbox(self, **options: object) -> Devbox:
        """Make a devbox with the gateway as ``$A_URL`` and ``$A``."""
        return self.create(gateways={"A": {"gateway": self.config.id, "secret": self.secret}}, **options)


@pytest.fixture
def scene(gateway: Callable[..., GatewayConfig], secret: Secret, upstream: Upstream, create: Create) -> Scene:
    return Scene(upstream, secret.name, gateway(endpoint=f"{upstream.url}/base"), create)


def output(devbox: Devbox, command: str) -> str:
    result = devbox.cmd.exec(command)
    assert result.success, result.stderr()
    return result.stdout()


def test_a_gateway_config_is_as_it_was_said(gateway: Callable[..., GatewayConfig]) -> None:
    """Gateway configs, create."""
    view = gateway(description="d").get_info()

    assert view.id.startswith("gwc_")
    assert (view.endpoint, view.description, view.auth_mechanism.type) == ("https://api.example.com", "d", "bearer")
    assert view.create_time_ms > 0


def test_a_gateway_config_is_updated_field_by_field(gateway: Callable[..., GatewayConfig]) -> None:
    """Gateway configs, update: absent fields stay."""
    config = gateway()
    renamed = name("gw")

    assert config.update(name=renamed, description="new").name == renamed
    assert config.update(endpoint="https://b.example.com/v1").endpoint == "https://b.example.com/v1"
    view = config.update(auth_mechanism={"type": "header", "key": "x-api-key"})
    assert (view.name, view.description, view.endpoint) == (renamed, "new", "https://b.example.com/v1")
    assert config.get_info().auth_mechanism.key == "x-api-key"


def test_lists_have_the_systems_gateways_too(sdk: RunloopSDK, gateway: Callable[..., GatewayConfig]) -> None:
    """Gateway configs, list: those of the system are always there."""
    ids = {gateway().id for _ in range(2)}

    everything = {one.id: one.get_info().name for one in sdk.gateway_config.list(limit=100)}

    assert everything.keys() >= ids
    assert {"anthropic", "openai"} <= set(everything.values())
    assert sdk.gateway_config.from_id(next(iter(ids))).id in ids


def test_names_are_unique_and_free_again(sdk: RunloopSDK, gateway: Callable[..., GatewayConfig]) -> None:
    """Gateway configs, create: 400 for a name that is taken."""
    taken = gateway().get_info().name

    for one in (taken, "openai"):
        with pytest.raises(BadRequestError, match="already exists"):
            gateway(name=one)
    for _ in range(2):
        freed = sdk.gateway_config.create(
            name=f"freed-{taken}", endpoint="https://a.example.com", auth_mechanism={"type": "bearer"}
        )
        assert freed.delete() is not None
        with pytest.raises(NotFoundError):
            freed.get_info()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"endpoint": "api.example.com"},
        {"auth_mechanism": {"type": "header"}},
        {"auth_mechanism": {"type": "magic"}},
        {"custom_headers": [{"name": "X-A"}]},
        {"custom_headers": [{"name": "X-A", "value": "b"}] * 9},
        {"custom_headers": [{"name": "X-A", "secret": "no-such-secret"}]},
    ],
)
def test_a_wrong_gateway_config_is_refused(gateway: Callable[..., GatewayConfig], wrong: dict[str, object]) -> None:
    """Gateway configs, create: 400."""
    with pytest.raises(BadRequestError, match=next(iter(wrong))):
        gateway(**wrong)


def test_an_mcp_config_has_tools_and_bears_its_credential(mcp: Callable[..., McpConfig]) -> None:
    """MCP configs, create and update: tools are replaced, the mechanism is bearer unless said."""
    config = mcp(description="d")

    view = config.get_info()
    assert (view.allowed_tools, view.auth_mechanism.type, view.create_time_ms > 0) == (["*"], "bearer", True)
    assert config.update(allowed_tools=["a.*", "b"]).allowed_tools == ["a.*", "b"]
    assert config.update(endpoint="https://b.example.com").allowed_tools == ["a.*", "b"]
    assert config.get_info().description == "d"


def test_mcp_configs_are_listed(sdk: RunloopSDK, mcp: Callable[..., McpConfig]) -> None:
    """MCP configs, list."""
    ids = {mcp().id for _ in range(2)}

    assert {one.id for one in sdk.mcp_config.list(limit=100)} >= ids


def test_a_devbox_shows_the_ids_of_its_gateways(
    create: Create, gateway: Callable[..., GatewayConfig], mcp: Callable[..., McpConfig], secret: Secret
) -> None:
    """Devbox API, create: names or ids are given, ids are shown."""
    config, tools = gateway(), mcp()
    by_name = config.get_info().name
    devbox = create(
        gateways={"MY_API": {"gateway": by_name, "secret": secret.name}},
        mcp={"MCP_SECRET": {"mcp_config": tools.id, "secret": secret.name}},
    )

    view = devbox.get_info()
    assert view.gateway_specs is not None
    assert view.gateway_specs["MY_API"].gateway_config_id == config.id
    assert view.gateway_specs["MY_API"].secret_id.startswith("sec_")
    assert view.mcp_specs is not None
    assert view.mcp_specs["MCP_SECRET"].mcp_config_id == tools.id
    assert create().get_info().gateway_specs is None
    with pytest.raises(BadRequestError, match="in use"):
        config.delete()
    devbox.shutdown()


@pytest.mark.parametrize("missing", ["gateway", "secret"])
def test_a_gateway_that_is_not_there_makes_no_devbox(
    sdk: RunloopSDK, gateway: Callable[..., GatewayConfig], secret: Secret, missing: str
) -> None:
    """Devbox API, create: 400."""
    spec = {"gateway": gateway().id, "secret": secret.name, missing: "no-such-one"}

    with pytest.raises(BadRequestError, match=missing):
        sdk.devbox.create(gateways={"A": spec})  # type: ignore[dict-item] # the client's own to check


@pytest.mark.usefixtures("emulator")
def test_a_gateway_puts_the_secret_in_and_the_devbox_never_sees_it(scene: Scene) -> None:
    """Gateways: $NAME_URL and $NAME, a token that begins with gws_; the credential stays outside."""
    devbox = scene.devbox()

    variables = dict(line.split("=", 1) for line in output(devbox, "env | grep ^A").splitlines())
    answer = output(devbox, 'curl -sS "$A_URL/v1/x?y=1" -H "Authorization: Bearer $A" -d hello')

    assert variables["A"].startswith("gws_")
    assert variables["A_URL"].startswith("http")
    assert json.loads(answer) == {"ok": True}
    (asked,) = scene.upstream.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/base/v1/x?y=1", b"hello")
    assert asked.headers["authorization"] == f"Bearer {VALUE}"
    assert variables["A"] not in str(asked.headers)
    assert VALUE not in output(devbox, "env; cat /proc/*/environ 2> /dev/null | tr '\\0' '\\n'")
    devbox.shutdown()


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize(
    ("mechanism", "header", "value"),
    [
        ({"type": "header", "key": "X-Api-Key"}, "x-api-key", VALUE),
        ({"type": "basic"}, "authorization", "Basic OnMzY3JldC1vZi10aGUtYWNjb3VudA=="),
    ],
)
def test_each_mechanism_has_its_header(scene: Scene, mechanism: dict[str, str], header: str, value: str) -> None:
    """Gateway configs: auth_mechanism and custom_headers; a secret there is shown by its id."""
    extra = [{"name": "X-Team", "value": "blue"}, {"name": "X-Other", "secret": scene.secret}]
    scene.config.update(auth_mechanism=mechanism, custom_headers=extra)  # type: ignore[arg-type] # the client's
    devbox = scene.devbox()

    # However a client sends its key, that is where the token is.
    output(devbox, 'curl -sS "$A_URL/" -H "x-api-key: $A"')

    headers = scene.upstream.asked[0].headers
    assert (headers[header], headers["x-team"], headers["x-other"]) == (value, "blue", VALUE)
    shown = scene.config.get_info().custom_headers
    assert shown is not None
    assert (shown[1].secret or "").startswith("sec_")
    devbox.shutdown()


@pytest.mark.usefixtures("emulator")
def test_a_gateway_wants_its_own_devboxs_token(scene: Scene) -> None:
    """Gateway tokens: accepted only from the devbox they are bound to."""
    one, other = scene.devbox(), scene.devbox()
    stolen = output(one, "echo -n $A")

    for token in ("", "wrong", stolen):
        assert "401" in output(other, f'curl -sS "$A_URL/" -H "Authorization: Bearer {token}"')
    assert scene.upstream.asked == []
    for devbox in (one, other):
        devbox.shutdown()


@pytest.mark.usefixtures("emulator")
def test_more_tokens_can_be_made_for_a_running_devbox(scene: Scene, sdk: RunloopSDK) -> None:
    """Devbox API, create_gateway_token: the URL is the one that the environment would have."""
    devbox = scene.create()
    endpoint = f"{scene.upstream.url}/base"

    made = sdk.api.devboxes.create_gateway_token(devbox.id, gateway=scene.config.id, secret=scene.secret)

    assert made.token.startswith("gws_")
    assert (made.devbox_id, made.gateway_config_id, made.endpoint) == (devbox.id, scene.config.id, endpoint)
    output(devbox, f"curl -sS {made.url}/v1 -H 'Authorization: Bearer {made.token}'")
    assert scene.upstream.asked[0].headers["authorization"] == f"Bearer {VALUE}"
    devbox.shutdown()


@pytest.mark.usefixtures("emulator")
def test_a_policy_opens_and_closes_gateways(scene: Scene, sdk: RunloopSDK) -> None:
    """Network policies: allow_agent_gateway."""
    for allowed in (False, True):
        policy = sdk.network_policy.create(name=name("policy"), allow_agent_gateway=allowed)
        devbox = scene.devbox(launch_parameters={"network_policy_id": policy.id})
        output(devbox, 'curl -sS "$A_URL/" -H "Authorization: Bearer $A"')
        assert bool(scene.upstream.asked) is allowed
        devbox.shutdown()
        policy.delete()


@pytest.mark.usefixtures("emulator")
def test_the_hub_lets_allowed_tools_through(scene: Scene, mcp: Callable[..., McpConfig], sdk: RunloopSDK) -> None:
    """MCP configs: allowed_tools are globs, with the name's first part as the service."""
    endpoint = f"{scene.upstream.url}/mcp"
    config = mcp(name=name("github"), endpoint=endpoint, allowed_tools=["github.search_*", "get"])
    devbox = scene.create(mcp={"TOKEN": {"mcp_config": config.id, "secret": scene.secret}})
    listed = [{"name": tool} for tool in ("search_code", "get", "delete")]
    scene.upstream.answer = {"jsonrpc": "2.0", "id": 1, "result": {"tools": listed}}

    def ask(method: str, **params: str) -> dict[str, dict[str, object]]:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        answer = output(devbox, f"curl -sS $RL_MCP_URL -H \"Authorization: Bearer $TOKEN\" -d '{body}'")
        result: dict[str, dict[str, object]] = json.loads(answer)
        return result

    assert ask("tools/list")["result"]["tools"] == listed[:2]
    assert "delete" in str(ask("tools/call", name="delete")["error"]["message"])
    assert len(scene.upstream.asked) == 1
    ask("tools/call", name="search_code")
    assert (scene.upstream.asked[1].path, scene.upstream.asked[1].headers["authorization"]) == (
        "/mcp",
        f"Bearer {VALUE}",
    )
    made = sdk.api.devboxes.create_mcp_token(devbox.id, mcp_config=config.id, secret=scene.secret)
    assert (made.mcp_config_id, made.allowed_tools) == (config.id, ["github.search_*", "get"])
    assert made.url == output(devbox, "echo -n $RL_MCP_URL")
    devbox.shutdown()

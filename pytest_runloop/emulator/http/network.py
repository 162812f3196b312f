"""Routes of network policies, gateway configs and MCP configs, and of the tokens for the latter two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.gateways import Wish, parse_gateway, parse_mcp
from pytest_runloop.emulator.domain.policies import parse_policy, settled
from pytest_runloop.emulator.http.answers import (
    Answer,
    checked_body,
    cursor,
    devbox_id,
    emulator,
    json_body,
    page_view,
    request_id,
    route,
)
from pytest_runloop.emulator.service.named import Sought

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from pytest_runloop.emulator.service.named import Fields, Named, NamedRecords
    from pytest_runloop.emulator.service.network import Network

Parse = Callable[..., "dict[str, Any]"]


class Family:
    """The five routes that each of these families has."""

    def __init__(
        self,
        records: Callable[[Network], NamedRecords],
        parse: Parse,
        view: Callable[[Named], Mapping[str, object]],
        *,
        plural: str,
    ) -> None:
        self._records = records
        self._parse = parse
        self._view = view
        self._plural = plural

    def routes(self, path: str) -> list[Any]:
        """Give the routes."""
        return [
            route("POST", path, self._create),
            route("GET", path, self._list),
            route("GET", path + "/{id}", self._retrieve),
            route("POST", path + "/{id}", self._update),
            route("POST", path + "/{id}/delete", self._delete),
        ]

    async def _create(self, request: Request) -> Answer:
        given = _resolved(request, self._parse(await json_body(request), new=True))
        return self._view(await self._of(request).create(given, request_id=request_id(request)))

    async def _retrieve(self, request: Request) -> Answer:
        return self._view(self._of(request).get(request.path_params["id"]))

    async def _list(self, request: Request) -> Answer:
        query = request.query_params
        sought = Sought(id=query.get("id", ""), name=query.get("name", ""), search=query.get("search", ""))
        page = self._of(request).page(sought, cursor(request))
        return page_view(request, page, key=self._plural, view=self._view)

    async def _update(self, request: Request) -> Answer:
        given = _resolved(request, self._parse(await json_body(request), new=False))
        return self._view(self._of(request).update(request.path_params["id"], partial(_merged, given)))

    async def _delete(self, request: Request) -> Answer:
        return self._view(self._of(request).delete(request.path_params["id"]))

    def _of(self, request: Request) -> NamedRecords:
        return self._records(emulator(request).network)


def _token_route(kind: str, *, config: str, shown: str) -> Route:
    """Make the route that gives a devbox a token for a config.

    Args:
        kind: What the token is for, as grants have it.
        config: The field that names the config.
        shown: Which of the config's fields the answer has.
    """
    check = checks.record({config: checks.text, "secret": checks.text}, required=(config, "secret"))

    async def create_token(request: Request) -> Answer:
        given = await checked_body(request, check)
        network = emulator(request).network
        grant, found = network.give_token(devbox_id(request), kind, Wish(config=given[config], secret=given["secret"]))
        return {
            "token": grant.token,
            "url": network.url(grant),
            "endpoint": found.fields["endpoint"],
            shown: found.fields[shown],
            f"{kind}_config_id": found.id,
            "devbox_id": devbox_id(request),
        }

    return route("POST", f"/v1/devboxes/{{id}}/create_{kind}_token", create_token)


def policy_view(policy: Named) -> dict[str, object]:
    """Print a network policy."""
    fields = policy.fields
    return {
        "id": policy.id,
        "name": policy.name,
        "description": fields.get("description"),
        "create_time_ms": fields["create_time_ms"],
        "update_time_ms": fields["update_time_ms"],
        "egress": settled(fields["egress"]),
    }


def gateway_view(config: Named) -> dict[str, object]:
    """Print a gateway config."""
    fields = config.fields
    return {
        "id": config.id,
        "account_id": None,
        "name": config.name,
        "description": fields.get("description"),
        "endpoint": fields["endpoint"],
        "auth_mechanism": fields["auth_mechanism"],
        "custom_headers": fields.get("custom_headers", []),
        "create_time_ms": fields["create_time_ms"],
    }


def mcp_view(config: Named) -> dict[str, object]:
    """Print an MCP config."""
    view = {name: value for name, value in gateway_view(config).items() if name != "account_id"}
    return {**view, "allowed_tools": config.fields["allowed_tools"]}


def _merged(given: Fields, fields: Fields) -> Fields:
    merged = {**fields, **given}
    if "egress" in given:
        merged["egress"] = {**fields["egress"], **given["egress"]}
    return merged


def _resolved(request: Request, given: Fields) -> Fields:
    """Name the secrets of headers by their ids."""
    if "custom_headers" not in given:
        return given
    network = emulator(request).network
    headers = [
        {**header, "secret": network.secret(f"custom_headers[{index}].secret", header["secret"]).id}
        if "secret" in header
        else header
        for index, header in enumerate(given["custom_headers"])
    ]
    return {**given, "custom_headers": headers}


ROUTES = [
    *Family(lambda one: one.policies, parse_policy, policy_view, plural="network_policies").routes(
        "/v1/network-policies"
    ),
    *Family(lambda one: one.gateways, parse_gateway, gateway_view, plural="gateway_configs").routes(
        "/v1/gateway-configs"
    ),
    *Family(lambda one: one.mcps, parse_mcp, mcp_view, plural="mcp_configs").routes("/v1/mcp-configs"),
    _token_route("gateway", config="gateway", shown="auth_mechanism"),
    _token_route("mcp", config="mcp_config", shown="allowed_tools"),
]

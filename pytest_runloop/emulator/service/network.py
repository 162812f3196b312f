"""What devboxes may reach and with whose credentials: network policies, gateway configs, MCP configs, tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_runloop.emulator.domain.gateways import SYSTEM_GATEWAYS, Grant
from pytest_runloop.emulator.domain.policies import settled
from pytest_runloop.emulator.domain.problems import ApiProblem, bad_request
from pytest_runloop.emulator.service.egress import GATEWAY, HUB, URL, Policed
from pytest_runloop.emulator.service.identity import fresh_key
from pytest_runloop.emulator.service.named import Named, NamedRecords

if TYPE_CHECKING:
    from pytest_runloop.emulator.domain.creation import CreateRequest
    from pytest_runloop.emulator.domain.gateways import Wish
    from pytest_runloop.emulator.domain.launch import Launch
    from pytest_runloop.emulator.domain.records import Devbox, Secret
    from pytest_runloop.emulator.service.roster import Roster
    from pytest_runloop.emulator.service.secrets import Secrets

_PREFIXES = {"gateway": "gws", "mcp": "mcps"}
"""What tokens begin with."""
HUB_VARIABLE = "RL_MCP_URL"


class Network:
    """The account's records of these families, and what becomes of them in devboxes.

    Attributes:
        address: Where the emulator answers, for devboxes that ask it for something.
    """

    def __init__(self, roster: Roster, secrets: Secrets, *, address: tuple[str, int]) -> None:
        store = roster.store
        self._roster = roster
        self._secrets = secrets
        self._devbox_of: dict[str, str] = {}
        self.address = address
        self.policies = NamedRecords(store, kind="network policy", prefix="npol", users=self._with_policy)
        self.gateways = NamedRecords(
            store, kind="gateway config", prefix="gwc", users=self._with_config, built_in=SYSTEM_GATEWAYS
        )
        self.mcps = NamedRecords(store, kind="MCP config", prefix="mcp", users=self._with_config)

    def check_policy(self, field: str, policy_id: object) -> None:
        """Make sure that a policy is there.

        Raises:
            ApiProblem: 400, naming the field.
        """
        try:
            self.policies.get(str(policy_id))
        except ApiProblem:
            raise bad_request(f"{field}: there is no network policy {policy_id!r}; create it first.") from None

    def grants(self, request: CreateRequest, launch: Launch) -> tuple[Grant, ...]:
        """Check what a create request says of the network, and give what its devbox is granted.

        Raises:
            ApiProblem: 400, naming the field that names something that isn't there.
        """
        if policy_id := launch.parameters.get("network_policy_id"):
            self.check_policy("launch_parameters.network_policy_id", policy_id)
        return (*self._granted("gateway", request.gateways), *self._granted("mcp", request.mcp))

    def environment(self, grants: Iterable[Grant]) -> dict[str, str]:
        """Give the variables by which programs in a devbox use what it is granted."""
        variables: dict[str, str] = {}
        for grant in grants:
            if grant.variable is not None:
                name = HUB_VARIABLE if grant.kind == "mcp" else f"{grant.variable}_URL"
                variables |= {name: self.url(grant), grant.variable: grant.token}
        return variables

    def url(self, grant: Grant) -> str:
        """Give the address, in the devbox, that a grant's token is for."""
        return f"{URL}{HUB}" if grant.kind == "mcp" else f"{URL}{GATEWAY}{grant.config_id}"

    def give_token(self, devbox_id: str, kind: str, wish: Wish) -> tuple[Grant, Named]:
        """Make a token for a running devbox.

        Raises:
            ApiProblem: 404, or 400 if the devbox doesn't run or the request names something that isn't there.
        """
        self._roster.running(devbox_id)
        field = "gateway" if kind == "gateway" else "mcp_config"
        grant = self._grant(kind, wish, field=field, secret_field="secret")  # noqa: S106 - a field's name
        self._roster.change(devbox_id, lambda devbox: replace(devbox, grants=(*devbox.grants, grant)))
        return grant, self.config(grant)

    def config(self, grant: Grant) -> Named:
        """Give the config that a grant is of."""
        return (self.mcps if grant.kind == "mcp" else self.gateways).get(grant.config_id)

    def outside(self, devbox: Devbox) -> Policed:
        """Give what a devbox that boots can reach; a policy that changes later changes nothing for it."""
        policy_id = devbox.launch_parameters.get("network_policy_id")
        key = fresh_key(32)
        self._devbox_of[key] = devbox.id
        return self._outside(None if policy_id is None else str(policy_id), key=key)

    def outside_under(self, policy_id: str) -> Policed:
        """Give what a build can reach.

        Raises:
            ApiProblem: 404, if the policy is gone.
        """
        return self._outside(policy_id, key="")

    def grant_of(self, key: str, kind: str, headers: Iterable[tuple[bytes, bytes]]) -> Grant:
        """Find the grant whose token is somewhere in a request's headers.

        Args:
            key: What the devbox's way out says who asks.
            kind: ``gateway`` or ``mcp``.
            headers: The request's.

        Raises:
            ApiProblem: 401.
        """
        devbox_id = self._devbox_of.get(key)
        devbox = None if devbox_id is None else self._roster.record(devbox_id)
        shown = [value.decode("latin-1") for _, value in headers]
        for grant in () if devbox is None else devbox.grants:
            if grant.kind == kind and any(grant.token in value for value in shown):
                return grant
        message = f"There is no token of this devbox in the request; send 'Authorization: Bearer <{kind} token>'."
        raise ApiProblem(401, message)

    def secret(self, field: str, name_or_id: str) -> Secret:
        """Find a secret by its id or name.

        Raises:
            ApiProblem: 400, naming the field.
        """
        for secret in self._secrets.all():
            if name_or_id in {secret.id, secret.name}:
                return secret
        raise bad_request(f"{field}: there is no secret {name_or_id!r}; create it first.")

    def _granted(self, kind: str, wishes: Mapping[str, Wish]) -> Iterable[Grant]:
        field = "gateways" if kind == "gateway" else "mcp"
        config = "gateway" if kind == "gateway" else "mcp_config"
        for variable, wish in wishes.items():
            base = f"{field}.{variable}"
            grant = self._grant(kind, wish, field=f"{base}.{config}", secret_field=f"{base}.secret")
            yield replace(grant, variable=variable)

    def _grant(self, kind: str, wish: Wish, *, field: str, secret_field: str) -> Grant:
        records = self.mcps if kind == "mcp" else self.gateways
        return Grant(
            kind=kind,
            token=f"{_PREFIXES[kind]}_{fresh_key(40)}",
            config_id=records.find(field, wish.config).id,
            secret_id=self.secret(secret_field, wish.secret).id,
        )

    def _outside(self, policy_id: str | None, *, key: str) -> Policed:
        policy: tuple[str, Mapping[str, Any]] | None = None
        if policy_id:
            record = self.policies.get(policy_id)
            policy = record.name, settled(record.fields["egress"])
        return Policed(policy=policy, emulator=self.address, key=key)

    def _with_policy(self, policy_id: str) -> Iterable[Devbox]:
        return (devbox for devbox in self._active() if devbox.launch_parameters.get("network_policy_id") == policy_id)

    def _with_config(self, config_id: str) -> Iterable[Devbox]:
        return (devbox for devbox in self._active() if any(grant.config_id == config_id for grant in devbox.grants))

    def _active(self) -> Iterable[Devbox]:
        everything = (self._roster.as_shown(devbox) for devbox in self._roster.store.devboxes())
        return (devbox for devbox in everything if not devbox.status.is_over)

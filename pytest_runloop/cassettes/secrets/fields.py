"""Fields of the API's JSON that hold a secret, or text of a known kind. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass

from pytest_runloop.cassettes.exchange import RUNLOOP, Request
from pytest_runloop.cassettes.secrets.forms import unview, view
from pytest_runloop.cassettes.secrets.known import clean, is_secret_name, placeholder
from pytest_runloop.cassettes.secrets.places import Places

_VARIABLES = frozenset({"environment_variables", "env_vars", "environment", "env", "environ"})
_COMMANDS = frozenset({
    "command", "commands", "launch_commands", "system_setup_commands", "setup_commands", "install_commands",
    "dockerfile", "attach_command", "script", "bash_script", "shell_script",
})  # fmt: skip
_URLS = frozenset({"upload_url", "download_url", "connect_url", "presigned_url"})
_SECRETS = frozenset({
    "ssh_private_key", "private_key", "auth_token", "tunnel_key", "token", "key_secret", "password", "api_key",
    "apikey",
    "access_token", "refresh_token", "client_secret", "secret_key", "secret_access_key", "session_token",
    "passphrase",
    "account_key", "sas_token", "access_key_id", "service_account_credentials",
})  # fmt: skip
"""Fields with these names hold secrets, wherever they are. ``secret`` and ``secrets`` give a secret's name instead."""

_OWNER = re.compile(r"/v1/(?:devboxes|objects|blueprints|agents)/([A-Za-z0-9_-]+)")
_SECRET_ROUTE = re.compile(r"/v1/secrets(?:/([^/?]+))?/?(?:\?.*)?$")


@dataclass(frozen=True, kw_only=True)
class Fields:
    """Puts placeholders into the fields of one body.

    Attributes:
        places: For the texts in it.
        request: What was asked, or what the answer is for.
        owner: Whose the secrets of an answer are, such as a devbox; empty in a request.
        is_answer: Secrets of answers are named for their owner: two tunnels stay two.
    """

    places: Places
    request: Request
    is_answer: bool
    owner: str = ""

    def masked(self, body: object) -> object:
        """Return a body with placeholders."""
        if self.request.host != RUNLOOP:
            return texts_changed(body, self.places.masked)
        found = _SECRET_ROUTE.search(self.request.path)
        if found and isinstance(body, dict) and isinstance(body.get("value"), str):
            name = found[1] or body.get("name")
            body = {**body, "value": self._stand(str(name), body["value"])}
        owner = _owner(self.request, body) if self.is_answer else ""
        return dataclasses.replace(self, owner=owner)._field("", body)  # noqa: SLF001 - another of this class

    def _field(self, name: str, value: object) -> object:
        """Change a field, whatever it is."""
        if isinstance(value, dict):
            return self._record(name, value)
        if isinstance(value, list):
            return [self._field(name, item) for item in value]
        if not isinstance(value, str) or not value:
            return value
        if name in _SECRETS:
            return self._secret(name, value)
        kind: Callable[[str], str] = self.places.masked
        if name in _URLS:
            kind = self.places.query
        elif name in _COMMANDS:
            kind = self.places.command
        return _changed(value, kind)

    def _record(self, name: str, record: dict[str, object]) -> dict[str, object]:
        if name in _VARIABLES:
            return {key: self._variable(key, value) for key, value in record.items()}
        if isinstance(record.get("value"), str) and is_secret_name(str(record.get("name"))):
            record = {**record, "value": self._stand(str(record["name"]), str(record["value"]))}
        here, own = self, record.get("id")
        if self.is_answer and isinstance(own, str) and (not self.owner or own.startswith("dbx_")):
            here = dataclasses.replace(self, owner=clean(own))
        return {key: here._field(key, value) for key, value in record.items()}  # noqa: SLF001 - another of this class

    def _variable(self, name: str, value: object) -> object:
        if isinstance(value, str) and is_secret_name(name):
            return self._stand(name, value)
        if isinstance(value, dict):
            # The SDK's manifest has its variables one level below.
            return {key: self._variable(key, one) for key, one in value.items()}
        return self._field("", value)

    def _secret(self, name: str, value: str) -> str:
        if not self.is_answer:
            return self._stand(name, value)
        if name == "tunnel_key":
            return self._stand_for_key(value)
        return self._stand(f"{name}.{self.owner}" if self.owner else name, value)

    def _stand_for_key(self, value: str) -> str:
        """Name a tunnel's key so that it can be part of a host's name."""
        name = f"tunnel-key-{re.sub('[^A-Za-z0-9_-]', '-', self.owner)}"
        self.places.show(name, view(value))
        return f"secret-{name}"

    def _stand(self, name: str, value: str) -> str:
        self.places.show(name, view(value))
        return placeholder(name)


def texts_changed(value: object, kind: Callable[[str], str], *, command: Callable[[str], str] | None = None) -> object:
    """Return JSON with every string in it, keys too, changed; commands in their own way."""
    return _texts("", value, kind, command or kind)


def _texts(name: str, value: object, kind: Callable[[str], str], command: Callable[[str], str]) -> object:
    if isinstance(value, dict):
        return {_changed(key, kind): _texts(key, item, kind, command) for key, item in value.items()}
    if isinstance(value, list):
        return [_texts(name, item, kind, command) for item in value]
    return _changed(value, command if name in _COMMANDS else kind) if isinstance(value, str) else value


def _owner(request: Request, body: object) -> str:
    found = _OWNER.search(request.path)
    if found and found[1] not in ("create_and_await_running", "disk_snapshots"):
        return clean(found[1])
    own = body.get("id") if isinstance(body, dict) else None
    return clean(own) if isinstance(own, str) and own else ""


def _changed(text: str, kind: Callable[[str], str]) -> str:
    seen = view(text)
    new = kind(seen)
    return text if new == seen else unview(new)

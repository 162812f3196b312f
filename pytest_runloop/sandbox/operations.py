"""Everything a sandbox can do, once, as coroutines for one event loop; the two faces of a handle call these."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from pytest_runloop.errors import SandboxError, SpecError
from pytest_runloop.sandbox import commands, shell
from pytest_runloop.sandbox.boundary import ApiFailure
from pytest_runloop.sandbox.files import Files
from pytest_runloop.sandbox.taping import Taping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_runloop.sandbox.boundary import Request, Started
    from pytest_runloop.sandbox.results import ExecResult
    from pytest_runloop.sandbox.shell import Command, PathLike

LISTENER_POLL_S = 0.05

MOST_RESULTS = 20
"""Results kept for the report of a failed test."""


class Operations:
    """The operations of one sandbox.

    Attributes:
        files: Its file system.
        results: The latest command results, oldest first.
    """

    def __init__(self, request: Request, started: Started, *, taping: Taping) -> None:
        """Bind to a devbox that runs."""
        self.request = request
        self._taping = taping
        self.devbox_id = started.api.devbox_id
        self.results: list[ExecResult] = []
        self._api = started.api
        self._env = started.env
        limits = request.timeouts
        self.files = Files(
            started.api,
            root=request.root,
            fast_op_s=limits.fast_op_s,
            transfer_s=max(limits.upload_s, limits.download_s),
        )

    async def exec(
        self,
        command: Command,
        *,
        timeout: float | None = None,
        cwd: PathLike | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        check: bool = False,
    ) -> ExecResult:
        """Run a command; see ``Sandbox.exec``."""
        seconds = self._seconds(timeout)
        extra = env or {}
        shell.check_env(extra, field="env")
        text = shell.command_line(
            shell.argv_of(command),
            cwd=shell.absolute(cwd if cwd is not None else ".", root=self.request.root),
            env={**self._env, **extra},
            user=None if user == self.request.account else user,
        )
        line = commands.Line(text=text, shown=shell.display(command))
        result = await commands.run(self._api, line, timeout=seconds)
        self.results = [*self.results, result][-MOST_RESULTS:]
        return commands.checked(result) if check else result

    async def url(self, port: int, *, wait_s: float) -> str:
        """Return a URL for a port; see ``Sandbox.url``."""
        exposed = self.request.exposed_ports
        if port not in exposed:
            listed = ", ".join(map(str, exposed)) or "none"
            add = f"mark.runloop(exposed_ports=[{port}])"
            message = f"url: port {port} is not exposed (exposed_ports: {listed}); add it: {add}"
            raise SpecError(message, field="exposed_ports")
        try:
            address = await self._api.port_url(port, on=self._taping.recorded_on())
        except ApiFailure as failure:
            message = f"port {port} of devbox {self.devbox_id} has no URL: {failure}; check that the sandbox still runs"
            raise SandboxError(message) from failure
        address = address.rstrip("/")
        self._taping.exposed(address, devbox_id=self.devbox_id, port=port)
        if wait_s > 0:
            await self._await_listener(port, seconds=wait_s)
        return address

    async def _await_listener(self, port: int, *, seconds: float) -> None:
        # One look at the kernel's table; a trial connection would use up a server that takes only one. 0A is LISTEN.
        listening = f"grep -qsiE ': [0-9A-F]+:{port:04X} [0-9A-F]+:0000 0A' /proc/net/tcp /proc/net/tcp6"
        turns = max(1, int(seconds / LISTENER_POLL_S))
        script = f"for ((i = 0; i < {turns}; i++)); do {listening} && exit; sleep {LISTENER_POLL_S}; done"
        text = shlex.join(["bash", "-c", script])
        await commands.run(self._api, commands.Line(text=text, shown=f"wait for port {port}"), timeout=seconds + 30)

    def _seconds(self, timeout: object) -> float:
        if timeout is None:
            return self.request.timeouts.exec_s
        if not isinstance(timeout, (int, float)) or not timeout > 0:
            message = f"exec: timeout={timeout!r}; give seconds above 0, or leave it out"
            raise SpecError(message, field="timeout")
        return float(timeout)

"""SSH keys of devboxes: a real pair, whose public half the devbox's user accepts.

No server listens for SSH here: a devbox is reached by its routes and tunnels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.problems import bad_request, unsupported

if TYPE_CHECKING:
    from pytest_runloop.emulator.service.roster import Roster

_MAKE = """
command -v ssh-keygen >/dev/null || exit 127
set -e
umask 077
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
ssh-keygen -q -t ed25519 -N '' -C "$RUNLOOP_KEY_NAME" -f "$directory/key" </dev/null
mkdir -p ~/.ssh
cat "$directory/key.pub" >>~/.ssh/authorized_keys
chmod 600 ~/.ssh/authorized_keys
cat "$directory/key"
"""
"""Runs in the devbox: there the user has a name, which ssh-keygen insists on."""
_NO_PROGRAM = 127
_MAX_KEY = 16 * 1024


@dataclass(frozen=True, kw_only=True)
class SshKey:
    """A new key.

    Attributes:
        private: In PEM form, as OpenSSH reads it.
    """

    user: str
    private: str = field(repr=False)


class SshKeys:
    """Makes keys."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    async def create(self, devbox_id: str) -> SshKey:
        """Make a key for a running devbox; earlier ones stay good.

        Raises:
            ApiProblem: 404, 400 if it isn't running, 501 if this computer has no ssh-keygen.
        """
        _, machine = self._roster.running(devbox_id)
        process = await machine.run(_MAKE, env={"RUNLOOP_KEY_NAME": devbox_id})
        status = await process.wait()
        said = process.stderr.read(0, 1000).decode(errors="replace").strip()
        if status == _NO_PROGRAM:
            raise unsupported("SSH keys are made by ssh-keygen, which this computer has not; install OpenSSH's client.")
        if status:
            raise bad_request(f"Devbox {devbox_id} could not take a key (exit status {status}): {said}")
        return SshKey(user=machine.account.username, private=process.stdout.read(0, _MAX_KEY).decode("ascii"))

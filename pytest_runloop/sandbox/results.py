"""What a command in a sandbox gave back, and how it reads in a test report. Pure."""

from __future__ import annotations

from dataclasses import dataclass

SHORT_REPR = 230
"""pytest cuts a value in an assertion message at 240 characters; ours stays below, and is cut where we choose."""

SHORT_LINE = 160

LONGEST_STREAM = 20_000
"""Characters of one stream shown in a report section or an error message; the middle of a longer one is left out."""


class Output(str):
    """One stream of a command: text that knows its command, so that a failed comparison can show both."""

    __slots__ = ("result",)

    result: ExecResult | None

    def __new__(cls, text: str = "", result: ExecResult | None = None) -> Output:  # noqa: PYI034 - Self is 3.11's
        output = super().__new__(cls, text)
        output.result = result
        return output

    def strip(self, chars: str | None = None, /) -> Output:
        return Output(super().strip(chars), self.result)

    def rstrip(self, chars: str | None = None, /) -> Output:
        return Output(super().rstrip(chars), self.result)

    def lstrip(self, chars: str | None = None, /) -> Output:
        return Output(super().lstrip(chars), self.result)


@dataclass(frozen=True)
class ExecResult:
    """The end of one command.

    Attributes:
        command: As it was given: a shell string, or the argv joined with shell quoting.
        stdout: Everything the command wrote to its standard output, decoded as UTF-8 with replacement.
        stderr: The same for its standard error.
        exit_code: 0 to 255; 128 + n if signal n ended it.
        duration_s: Seconds from the request to the answer, measured here.
        devbox_id: Where it ran.
    """

    command: str
    stdout: str
    stderr: str
    exit_code: int
    duration_s: float
    devbox_id: str = ""

    def __post_init__(self) -> None:
        for name in ("stdout", "stderr"):
            object.__setattr__(self, name, Output(getattr(self, name), self))

    @property
    def ok(self) -> bool:
        """Whether the command ended with exit code 0."""
        return self.exit_code == 0

    def __repr__(self) -> str:
        """Show command, exit code and both streams in one short line, as a failed assertion prints it."""
        room = SHORT_REPR - len(f"<exit {self.exit_code}: ``, stdout=, stderr=>")
        command, stdout, stderr = _fit([self.command, repr(str(self.stdout)), repr(str(self.stderr))], room)
        return f"<exit {self.exit_code}: `{command}`, stdout={stdout}, stderr={stderr}>"

    def describe(self) -> str:
        """Return command, exit code, duration and both streams in full, over several lines."""
        where = f" in devbox {self.devbox_id}" if self.devbox_id else ""
        lines = [f"$ {self.command}", f"exit code {self.exit_code} after {self.duration_s:.2f} s{where}"]
        return "\n".join([*lines, *streams(stdout=self.stdout, stderr=self.stderr)])


def explained(explanation: list[str], left: object, right: object) -> list[str]:
    """Return pytest's explanation of a failed comparison, with the command after its first line if an output is in it.

    Args:
        explanation: What pytest says already; may be empty.
        left: The left side of the comparison.
        right: The right side.
    """
    results = [side.result for side in (left, right) if isinstance(side, Output) and side.result is not None]
    if not explanation or not results:
        return explanation
    told = results[0]
    # Near the top, because pytest cuts an explanation after eight lines.
    lines = [
        f"$ {_shorten(told.command, SHORT_LINE)}  (exit code {told.exit_code})",
        f"stdout: {_shorten(repr(str(told.stdout)), SHORT_LINE)}",
        f"stderr: {_shorten(repr(str(told.stderr)), SHORT_LINE)}",
    ]
    return [explanation[0], *lines, *explanation[1:]]


def streams(*, stdout: str, stderr: str) -> list[str]:
    """Return the lines that show both streams of a command; an empty stream takes one line."""
    shown: list[str] = []
    for name, text in (("stdout", stdout), ("stderr", stderr)):
        if text:
            shown += [f"--- {name} ---", *middle_out(text.rstrip("\n"), limit=LONGEST_STREAM).split("\n")]
        else:
            shown.append(f"--- {name}: empty ---")
    return shown


def middle_out(text: str, *, limit: int) -> str:
    """Return text of about *limit* characters, saying how many were left out of its middle."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[len(text) - half :]}"


def _fit(texts: list[str], room: int) -> list[str]:
    """Shorten the longest texts until all together take no more than *room* characters."""
    left, shares = room, {}
    for rank, index in enumerate(sorted(range(len(texts)), key=lambda index: len(texts[index]))):
        share = min(len(texts[index]), left // (len(texts) - rank))
        shares[index] = share
        left -= share
    return [_shorten(text, shares[index]) for index, text in enumerate(texts)]


def _shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    # The end of an output says more about a failure than its beginning.
    head = (limit - 1) // 3
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_runloop.emulator.domain.dockerfile import KEYWORDS, DockerfileError, Instruction, parse
from pytest_runloop.emulator.domain.words import BadWord, expand, quoted, split

PIECES = [
    *KEYWORDS,
    " ",
    "\n",
    "\\\n",
    "\\",
    '"',
    "'",
    "$A",
    "${",
    "}",
    ":-",
    "<<E",
    "<<-'E'",
    "E",
    "#",
    "[",
    "=",
    "--x",
]
plain_text = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2000, exclude_characters="\\#<-[\x7f\x85\xa0"), min_size=1
)


def _one(text: str) -> Instruction:
    (instruction,) = parse(text)
    return instruction


def test_lines_are_counted_and_comments_skipped() -> None:
    found = parse("# syntax=docker/dockerfile:1\n\nFROM ubuntu\n  # indented\n\nrun true\r\n")

    assert [(one.line, one.keyword, one.argument) for one in found] == [(3, "FROM", "ubuntu"), (6, "RUN", "true")]


def test_continued_lines_are_joined_over_comments_and_empty_lines() -> None:
    found = parse("RUN a && \\  \n# not this\n\n  b \\\n  c\nUSER x")

    assert [one.argument for one in found] == ["a &&   b   c", "x"]


def test_a_file_may_end_within_a_continued_line() -> None:
    assert _one("RUN a \\").argument == "a"


def test_a_line_that_ends_with_two_backslashes_is_over() -> None:
    assert [one.argument for one in parse("RUN a \\\\\nRUN b")] == ["a \\\\", "b"]


def test_flags_are_apart() -> None:
    found = _one("RUN --mount=type=cache,target=/c --network=none --  x --y")

    assert found.flags == ("mount=type=cache,target=/c", "network=none")
    assert found.argument == "--  x --y"


def test_heredocs_are_read_in_order() -> None:
    found, after = parse("RUN cat <<A <<-'B' && echo \"<<C\"\n\tone\nA\n\ttwo\n\tB\nUSER x")

    assert [(one.marker, one.text, one.end) for one in found.heredocs] == [
        ("<<A", "\tone\n", "A"),
        ("<<-'B'", "two\n", "B"),
    ]
    assert after.keyword == "USER"


@pytest.mark.parametrize("argument", ['echo "x <<E y"', "echo '<<E'", "echo \\<<E", "echo $((1<<E))", "echo <<<E"])
def test_what_only_looks_like_a_heredoc_is_none(argument: str) -> None:
    assert _one(f"RUN {argument}").heredocs == ()


def test_the_exec_form_is_json() -> None:
    assert _one('RUN ["a b", "c"]').exec_form == ["a b", "c"]
    assert _one("RUN [ -e x ]").exec_form is None
    assert _one("RUN [1]").exec_form is None


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 1, "no instruction"),
        ("# only this\n", 1, "no instruction"),
        ("FROM x\n\nHELLO x", 3, "'HELLO'"),
        ("FROM", 1, "argument"),
        ("FROM x\nRUN <<E\nabc", 2, "has no end"),
        ("# escape=`\nFROM x", 1, "escape"),
    ],
)
def test_a_wrong_line_is_named(text: str, line: int, problem: str) -> None:
    with pytest.raises(DockerfileError, match=f"line {line}: .*{problem}"):
        parse(text)


@given(st.lists(st.tuples(st.sampled_from(KEYWORDS), plain_text), min_size=1))
def test_what_was_written_is_read(instructions: list[tuple[str, str]]) -> None:
    written = "\n".join(f"{keyword} {argument}" for keyword, argument in instructions)

    assert [(one.keyword, one.argument) for one in parse(written)] == instructions


@given(st.lists(st.sampled_from(PIECES)).map("".join) | st.text())
def test_anything_is_read_or_refused(text: str) -> None:
    with suppress(DockerfileError):
        for instruction in parse(text):
            assert instruction.line >= 1
            assert str(instruction)


@given(st.text(), st.booleans())
def test_a_quoted_word_means_its_text(text: str, double: bool) -> None:  # noqa: FBT001 - Hypothesis gives it
    word = "'" + text.replace("'", "'\\''") + "'"
    if double:
        word = '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'

    assert split(word) == [word]
    assert expand(word, {}) == text


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_word_is_expanded_or_refused(text: str) -> None:
    with suppress(BadWord):
        expand(text, {"A": "1"})
    for position in range(len(text)):
        quoted(text, position)
    assert all(split(text))


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("$A", "1"),
        ("x${A}y", "x1y"),
        ("'$A'", "$A"),
        ('"$A b"', "1 b"),
        ("\\$A", "$A"),
        ("$A$B$", "1$"),
        ("${B:-x$A}", "x1"),
        ("${E:-x}", "x"),
        ("${E-x}", ""),
        ("${B-x}", "x"),
        ("${A:+x}", "x"),
        ("${E:+x}", ""),
        ("${E+x}", "x"),
        ("${B:-${A}}", "1"),
        ("${A:?no}", "1"),
    ],
)
def test_variables_are_put_in(word: str, meaning: str) -> None:
    assert expand(word, {"A": "1", "E": ""}) == meaning


@pytest.mark.parametrize("word", ["${A", "${}", "${A%x}", "${B:?it is needed}"])
def test_what_can_not_be_put_in_is_refused(word: str) -> None:
    with pytest.raises(BadWord):
        expand(word, {"A": "1"})

from __future__ import annotations

import base64
import json
import re
import shlex
from urllib.parse import quote, quote_plus

import pytest

from pytest_runloop.cassettes.secrets.forms import flattened, recoded, spellings, unview, view

NASTY = "a'b\"c\\d $e/é雪+z9"


def found(value: str, text: str) -> bool:
    return any(part.fragment in text and re.search(part.pattern, text) for part in spellings(value).parts)


@pytest.mark.parametrize("spelled", [
    NASTY, json.dumps(NASTY), json.dumps(NASTY, ensure_ascii=False), json.dumps(json.dumps(json.dumps(NASTY))),
    shlex.quote(NASTY), shlex.quote(shlex.quote(NASTY)), json.dumps(shlex.quote(NASTY)), quote(NASTY),
    quote_plus(NASTY),
    NASTY.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$"),
])  # fmt: skip
def test_every_spelling_is_found(spelled: str) -> None:
    assert found(NASTY, view(f"before {spelled} after"))


@pytest.mark.parametrize("other", ["a'b\"c\\d $f/é雪+z9", "a b c d e", "ab"])
def test_nothing_else_is_found(other: str) -> None:
    assert not found(NASTY, view(other))


def test_a_key_of_many_lines_is_found_line_by_line() -> None:
    key = "-----BEGIN KEY-----\n" + "abcd1234" * 8 + "\n-----END KEY-----"

    assert found(key, json.dumps(key))
    assert found(key, "  " + "abcd1234" * 8)
    assert not found(key, "-----BEGIN KEY-----")


@pytest.mark.parametrize("lead", range(7))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("around", ["{}", "path/{}", "x={}.y", "/{}", "ab/{}"])
def test_base64_is_decoded_changed_and_encoded_again(lead: int, encode: object, around: str) -> None:
    assert callable(encode)
    text = around.format(encode(b"\xff" * lead + b"token>?ab~123" + b"\xfe" * 9).decode())
    cores = {core: at for core, at in spellings("token>?ab~123").base64.items() if core in flattened(text)}

    new = recoded(text, cores, lambda inner: inner.replace("token>?ab~123", "<P>"))

    assert new == around.format(encode(b"\xff" * lead + b"<P>" + b"\xfe" * 9).decode())


def test_wrapped_base64_stays_wrapped() -> None:
    text = "key:\n" + base64.encodebytes(b"x" * 50 + b"hunter2abc" + b"y" * 90).decode() + "done\n"
    cores = {core: at for core, at in spellings("hunter2abc").base64.items() if core in flattened(text)}

    new = recoded(text, cores, lambda inner: inner.replace("hunter2abc", "<P>"))

    assert new == "key:\n" + base64.encodebytes(b"x" * 50 + b"<P>" + b"y" * 90).decode() + "done\n"


@pytest.mark.parametrize("text", ["plain", "größe 雪", "half \ud800", ""])
def test_a_view_gives_the_text_back(text: str) -> None:
    assert unview(view(text)) == text

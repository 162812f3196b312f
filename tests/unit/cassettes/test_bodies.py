from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_runloop.cassettes.files import bodies, multipart, structure
from pytest_runloop.cassettes.files.bodies import Aside, Form
from tests.unit.cassettes import generated

JSON = "application/json"


def there(body: bytes, content_type: str) -> tuple[Form, Aside]:
    aside = Aside()
    form = bodies.of_request(body, content_type=content_type, aside=aside)
    # A form is what is left of it in a file.
    return json.loads(json.dumps(form)), aside


def and_back(body: bytes, content_type: str) -> bytes:
    form, aside = there(body, content_type)
    return bodies.to_body(form, load=aside.files.__getitem__)


@given(content=st.tuples(st.sampled_from(["", "text/plain", "application/octet-stream"]), generated.bodies))
def test_what_is_not_json_comes_back_byte_for_byte(content: tuple[str, bytes]) -> None:
    content_type, body = content

    assert and_back(body, content_type) == body


@given(generated.bodies)
def test_json_comes_back_with_other_spaces_at_most(body: bytes) -> None:
    found = and_back(body, JSON)

    if found != body:
        # Pairs keep keys that are there twice, and texts of numbers keep how they were written.
        assert _tokens(found) == _tokens(body)


@given(generated.multiparts())
def test_multipart_comes_back_with_another_boundary_at_most(content: tuple[str, bytes]) -> None:
    content_type, body = content
    form, aside = there(body, content_type)
    found = bodies.to_body(form, load=aside.files.__getitem__)

    if found != body:
        boundary = content_type.rpartition("=")[2].encode()
        assert found.replace(multipart.BOUNDARY.encode(), boundary) == body


@given(st.lists(generated.bodies, max_size=4), st.sampled_from(["", JSON, "text/event-stream"]))
def test_pieces_come_back_as_they_were_cut(chunks: list[bytes], content_type: str) -> None:
    aside = Aside()
    form = json.loads(json.dumps(bodies.of_response(chunks, content_type=content_type, aside=aside)))

    found = bodies.to_chunks(form, load=aside.files.__getitem__)

    pieces = tuple(chunk for chunk in chunks if chunk)
    if len(pieces) == 1 and structure.is_json(content_type):
        assert found == pieces or _tokens(b"".join(found)) == _tokens(b"".join(pieces))
    else:
        assert found == pieces


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 2}',
        b"[NaN]",
        b"[Infinity]",
        b"[1.10]",
        b"[1E5]",
        b"[-0]",
        b"[1e999]",
        b"[" + b"9" * 5000 + b"]",
        b'["\\ud800"]',
        b"\xef\xbb\xbf{}",
        b'["\xff"]',
        b"[" * 60 + b"]" * 60,
        b"[" * 100_000,
        b'{"cut',
    ],
)
def test_json_that_would_lose_something_stays_as_it_is(body: bytes) -> None:
    form, _ = there(body, JSON)

    assert "json" not in form
    assert and_back(body, JSON) == body


@pytest.mark.parametrize("body", [b"null", b"0", b'""', b"[]", b'{"b": 1, "a": {"c": [1.5, true]}}', b'"\\u00e9"'])
def test_json_is_kept_as_structure_in_its_order(body: bytes) -> None:
    form, _ = there(body, JSON)

    assert json.dumps(form["json"]) == json.dumps(json.loads(body))


def test_a_file_is_never_taken_for_structure() -> None:
    """A download must arrive with its spaces, whatever is in it."""
    assert there(b'{"a":  1}', "application/octet-stream")[0] == {"text": '{"a":  1}'}


def test_lines_of_a_text_are_lines_of_the_file() -> None:
    assert there(b"one\ntwo\r\n\nend", "")[0] == {"text": ["one\n", "two\r\n", "\n", "end"]}


def test_an_upload_is_kept_as_its_parts() -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="path"\r\n\r\n/a\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\nhi\r\n--x--\r\n"
    )

    form, _ = there(body, "multipart/form-data; boundary=x")

    octets = "application/octet-stream"
    assert form == {
        "parts": [{"name": "path", "text": "/a"}, {"name": "file", "filename": "a", "type": octets, "text": "hi"}]
    }


def test_a_boundary_that_stands_in_a_file_breaks_nothing() -> None:
    held = f"--{multipart.BOUNDARY}\r\n".encode()
    body = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + held + b"\r\n--x--\r\n"

    assert "parts" not in there(body, "multipart/form-data; boundary=x")[0]
    assert and_back(body, "multipart/form-data; boundary=x") == body


@pytest.mark.parametrize(
    ("body", "content_type", "suffix"),
    [
        (json.dumps(["a" * 100] * 50).encode(), JSON, ".json"),
        (b"line\n" * 1000, "", ".txt"),
        (b"\0\1\2\3" * 300, "", ".bin"),
        (b"\xff" * 1025, JSON, ".bin"),
    ],
)
def test_what_is_large_or_binary_lies_beside(body: bytes, content_type: str, suffix: str) -> None:
    form, aside = there(body, content_type)

    (name,) = aside.files
    assert form == {"file": name}
    assert name == bodies.digest(aside.files[name]) + suffix
    assert bodies.files_of(form) == [name]


def test_the_same_body_is_one_file() -> None:
    aside = Aside()

    for _ in range(2):
        bodies.of_request(b"x" * 5000, content_type="", aside=aside)

    assert len(aside.files) == 1


def test_fifty_megabytes_are_never_looked_at_as_structure() -> None:
    body = b"[" + b'"x",' * (50 << 18) + b"1]"
    form, aside = there(body, JSON)

    assert str(form["file"]).endswith(".txt")
    assert bodies.to_body(form, load=aside.files.__getitem__) == body


def _tokens(body: bytes) -> object:
    return json.loads(body, object_pairs_hook=list, parse_int=str, parse_float=str, parse_constant=str)

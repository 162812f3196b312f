from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.http.multipart import Data, Parser, Start, boundary

MARK = b"--b0undary"


def _body(*fields: tuple[str, bytes]) -> bytes:
    head = MARK + b'\r\nContent-Disposition: form-data; name="%b"; filename="f"\r\n\r\n'
    parts = [head % name.encode() + data + b"\r\n" for name, data in fields]
    return b"".join(parts) + MARK + b"--\r\n"


def _read(body: bytes, piece: int) -> list[tuple[str, bytes]]:
    parser = Parser(b"b0undary")
    fields: list[tuple[str, bytes]] = []
    for start in range(0, len(body), piece):
        for event in parser.feed(body[start : start + piece]):
            if isinstance(event, Start):
                fields.append((event.name, b""))
            else:
                assert isinstance(event, Data)
                fields[-1] = (fields[-1][0], fields[-1][1] + event.data)
    parser.finish()
    return fields


@given(
    data=st.lists(st.sampled_from([b"\r\n", b"--", b"\r\n--b0undar", b"x", b"\0\xff"]), max_size=8).map(b"".join),
    piece=st.integers(1, 90),
)
def test_any_content_comes_through_in_any_pieces(data: bytes, piece: int) -> None:
    fields = [("path", b"/tmp/x"), ("file", data), ("empty", b"")]

    assert _read(_body(*fields), piece) == fields


def test_a_body_that_stops_early_is_refused() -> None:
    with pytest.raises(ApiProblem, match="ends before"):
        _read(_body(("file", b"abc"))[:-6], 7)


def test_the_head_of_a_field_is_bounded() -> None:
    parser = Parser(b"b0undary")

    with pytest.raises(ApiProblem, match=r"longer than|[Hh]eader size"):
        parser.feed(MARK + b"\r\nX: " + b"y" * 20_000)


def test_a_body_that_is_no_form_is_refused() -> None:
    with pytest.raises(ApiProblem, match="damaged"):
        Parser(b"b0undary").feed(b"{}")


def test_a_boundary_of_absurd_length_is_refused() -> None:
    with pytest.raises(ApiProblem):
        Parser(b"b" * 1000).feed(b"no form")


@pytest.mark.parametrize("given_boundary", ["b0undary", '"b0undary"', "b0undary; charset=utf-8"])
def test_the_boundary_is_found(given_boundary: str) -> None:
    assert boundary(f"multipart/form-data; boundary={given_boundary}") == b"b0undary"


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=x"])
def test_what_is_no_form_is_refused(content_type: str) -> None:
    with pytest.raises(ApiProblem, match="multipart/form-data"):
        boundary(content_type)

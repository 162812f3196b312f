"""Reading multipart/form-data piece by piece: python-multipart's callbacks, turned into events. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from pytest_runloop.emulator.domain.problems import bad_request

_MAX_HEAD = 16 * 1024


@dataclass(frozen=True)
class Start:
    """A field begins."""

    name: str


@dataclass(frozen=True)
class Data:
    """Some of the field's content."""

    data: bytes


def boundary(content_type: str) -> bytes:
    """Find the boundary in a content type.

    Raises:
        ApiProblem: 400, if this is no multipart form.
    """
    kind, options = parse_options_header(content_type)
    found = options.get(b"boundary")
    if kind != b"multipart/form-data" or not found:
        raise bad_request(f"Content-Type: {content_type!r} is not multipart/form-data with a boundary.")
    return found


class Parser:
    """Turns pieces of a body into events. Holds back only what could be the beginning of a boundary."""

    def __init__(self, boundary: bytes) -> None:
        self._events: list[Start | Data] = []
        self._header = self._value = b""
        self._name = ""
        self._head_size = 0
        self._over = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._add_to_header,
                    "on_header_value": self._add_to_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._start,
                    "on_part_data": self._add_data,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise bad_request(f"Content-Type: {error}.") from None

    def feed(self, data: bytes) -> list[Start | Data]:
        """Take the next piece in and give what it completes.

        Raises:
            ApiProblem: 400, if this is no multipart form.
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise bad_request(f"The multipart body is damaged: {error}.") from None
        events, self._events = self._events, []
        return events

    def finish(self) -> None:
        """Say that the body is over.

        Raises:
            ApiProblem: 400, if the last boundary hasn't come.
        """
        if not self._over:
            raise bad_request("The multipart body ends before its last boundary; send it again.")

    def _begin(self) -> None:
        self._name = ""
        self._head_size = 0

    def _add_to_header(self, data: bytes, start: int, end: int) -> None:
        self._grow_head(end - start)
        self._header += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._grow_head(end - start)
        self._value += data[start:end]

    def _grow_head(self, size: int) -> None:
        # Older releases of the library set no limit of their own.
        self._head_size += size
        if self._head_size > _MAX_HEAD:
            raise bad_request(f"A multipart field's head is longer than {_MAX_HEAD} bytes.")

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._header = self._value = b""

    def _start(self) -> None:
        self._events.append(Start(self._name))

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(Data(data[start:end]))

    def _end(self) -> None:
        self._over = True

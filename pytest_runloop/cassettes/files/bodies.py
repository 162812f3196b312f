"""What was sent and answered as something to read: structure, lines, parts or pieces; back as bytes. Pure.

Large and binary bodies go into files of their own, named by what is in them; who writes those is no concern of this
file. Every body comes back as it was, but for the spaces of JSON and the boundary of multipart.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

from pytest_runloop.cassettes.files import multipart, structure
from pytest_runloop.cassettes.files.multipart import Part

Form: TypeAlias = "dict[str, object]"
"""One of ``json``, ``text``, ``base64``, ``file`` (with ``sizes`` for pieces), ``parts``, ``chunks``; or nothing."""

Load: TypeAlias = Callable[[str], bytes]
"""Gives the content of a file by its name."""

LARGEST_TEXT, LARGEST_BINARY = 4096, 1024
"""Bytes that a cassette holds itself, of each body."""

JSON_FILE = ".json"
_Kind = TypeVar("_Kind")
_DIGITS = 32


class Aside:
    """Collects the files of a cassette."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def put(self, content: bytes, suffix: str) -> str:
        """Return the name of a file with this content."""
        name = digest(content) + suffix
        self.files[name] = content
        return name


def digest(content: bytes) -> str:
    """Return what names a file."""
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def of_request(body: bytes, *, content_type: str, aside: Aside) -> Form:
    """Return the form of a request's body."""
    parts = multipart.parse(body, content_type=content_type)
    if parts is None:
        return _of(body, content_type=content_type, aside=aside)
    return {"parts": [_of_part(part, aside=aside) for part in parts]}


def of_response(chunks: Sequence[bytes], *, content_type: str, aside: Aside) -> Form:
    """Return the form of an answer's content, which keeps its pieces if there are several."""
    pieces = [chunk for chunk in chunks if chunk]
    if not pieces[1:]:
        return _of(b"".join(pieces), content_type=content_type, aside=aside)
    content = b"".join(pieces)
    if len(content) <= LARGEST_TEXT:
        return {"chunks": [_of_piece(piece) for piece in pieces]}
    suffix = ".txt" if _text(content) is not None else ".bin"
    return {"file": aside.put(content, suffix), "sizes": [len(piece) for piece in pieces]}


def to_body(form: Mapping[str, object], *, load: Load) -> bytes:
    """Return the body that a form stands for.

    Raises:
        ValueError, TypeError, LookupError: It is not a form.
    """
    if "json" in form:
        return structure.to_bytes(form["json"])
    if "parts" in form:
        return multipart.build([_to_part(part, load=load) for part in checked(form["parts"], list)])
    if "text" in form:
        return _joined(form["text"]).encode()
    if "base64" in form:
        return base64.b64decode(checked(form["base64"], str), validate=True)
    return _loaded(form, load=load)


def to_chunks(form: Mapping[str, object], *, load: Load) -> tuple[bytes, ...]:
    """Return the pieces that a form stands for.

    Raises:
        ValueError, TypeError, LookupError: It is not a form.
    """
    if "chunks" in form:
        return tuple(_to_piece(piece) for piece in checked(form["chunks"], list))
    content = to_body(form, load=load)
    if "sizes" not in form:
        return (content,) if content else ()
    pieces, start = [], 0
    for size in checked(form["sizes"], list):
        pieces.append(content[start : start + checked(size, int)])
        start += size
    if start != len(content) or not all(pieces):
        msg = "its sizes are not those of its file"
        raise ValueError(msg)
    return tuple(pieces)


def implied_type(form: Mapping[str, object]) -> str:
    """Return the content type that need not be written."""
    if "json" in form or str(form.get("file", "")).endswith(JSON_FILE):
        return "application/json"
    return multipart.CONTENT_TYPE if "parts" in form else ""


def files_of(form: Mapping[str, object]) -> list[str]:
    """Return the names of the files that a form needs."""
    parts = form.get("parts")
    inner = parts if isinstance(parts, list) else []
    return [name for part in inner for name in files_of(part)] + ([str(form["file"])] if "file" in form else [])


def _of(body: bytes, *, content_type: str, aside: Aside) -> Form:
    if not body:
        return {}
    if structure.is_json(content_type):
        try:
            return _of_json(structure.parse(body), aside=aside)
        except (ValueError, RecursionError):
            pass  # it stays as it is
    text = _text(body)
    if text is None:
        small = len(body) <= LARGEST_BINARY
        return {"base64": base64.b64encode(body).decode()} if small else {"file": aside.put(body, ".bin")}
    return {"text": _lines(text)} if len(body) <= LARGEST_TEXT else {"file": aside.put(body, ".txt")}


def _of_json(value: object, *, aside: Aside) -> Form:
    # Measured as it comes back, so that writing what was read changes nothing.
    if len(structure.to_bytes(value)) <= LARGEST_TEXT:
        return {"json": value}
    return {"file": aside.put(json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n", JSON_FILE)}


def _of_part(part: Part, *, aside: Aside) -> Form:
    known = {"name": part.name, "filename": part.filename, "type": part.type}
    head: Form = {"head": part.head} if part.head else {name: text for name, text in known.items() if text is not None}
    # Never as structure: it is a file, and a file must arrive as it was.
    return head | _of(part.content, content_type="", aside=aside)


def _to_part(form: object, *, load: Load) -> Part:
    form = checked(form, dict)
    known = {name: checked(form[name], str) for name in ("name", "filename", "type", "head") if name in form}
    return Part(**known, content=to_body(form, load=load))


def _of_piece(piece: bytes) -> object:
    text = _text(piece)
    return {"base64": base64.b64encode(piece).decode()} if text is None else text


def _to_piece(piece: object) -> bytes:
    if isinstance(piece, str):
        return piece.encode()
    return base64.b64decode(checked(piece, dict)["base64"], validate=True)


def _loaded(form: Mapping[str, object], *, load: Load) -> bytes:
    if "file" not in form:
        return b""
    name = checked(form["file"], str)
    content = load(name)
    return structure.to_bytes(json.loads(content.decode())) if name.endswith(JSON_FILE) else content


def _text(body: bytes) -> str | None:
    try:
        return None if b"\0" in body else body.decode()
    except UnicodeDecodeError:
        return None


def _lines(text: str) -> object:
    """Split text so that a changed line is a changed line of the cassette."""
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    found = [line for line in lines if line]
    return found if len(found) > 1 else text


def _joined(text: object) -> str:
    return "".join(text) if isinstance(text, list) else checked(text, str)


def checked(value: object, kind: type[_Kind]) -> _Kind:
    """Return a value that must be of exactly this kind.

    Raises:
        TypeError: It isn't.
    """
    if type(value) is not kind:
        msg = f"{type(value).__name__} instead of {kind.__name__}"
        raise TypeError(msg)
    return value

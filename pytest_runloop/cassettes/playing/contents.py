"""What a file's content says, with the times and owners left out that archives take down. Pure."""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

LONGEST_TEXT = 1 << 16
"""Bytes. A longer content is told by its digest."""

LONGEST_UNPACKED = 1 << 28
"""Bytes. An archive that would unpack to more is compared as it is."""

_TAR_MAGIC = slice(257, 262)
_ACCIDENTAL = frozenset({
    "atime", "ctime", "gid", "gname", "linkpath", "mtime", "path", "size", "uid", "uname",
    "SCHILY.dev", "SCHILY.ino", "SCHILY.nlink", "LIBARCHIVE.creationtime",
})  # fmt: skip
"""Records of a tar member that say when and by whom it was packed, or what the member itself says."""


def described(data: bytes) -> object:
    """Return a content as something that can be compared and read: its members, its text, or its digest."""
    members = archived(data)
    return plain(data) if members is None else members


def plain(data: bytes) -> str:
    """Return a content as text; a long one, and what is no text, by its digest."""
    if len(data) <= LONGEST_TEXT and b"\0" not in data:
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
    return digest(data)


def archived(data: bytes) -> object:
    """Return the members of a tar, a compressed tar or a zip; None if it is none, or is not whole."""
    try:
        if data[_TAR_MAGIC] == b"ustar":
            return {"tar": _tar(data)}
        if data.startswith(b"\x1f\x8b"):
            inner = _inflated(data)
            return {"tar.gz": _tar(inner)} if inner[_TAR_MAGIC] == b"ustar" else None
        return {"zip": _zip(data)} if data.startswith(b"PK\x03\x04") else None
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, NotImplementedError):
        return None


def digest(data: bytes) -> str:
    return f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}"


def _tar(data: bytes) -> list[list[object]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        members = [_member(tar, one) for one in tar]
        rest = data[tar.offset :].strip(b"\0")
    if rest:
        members.append(["after its end", digest(rest)])
    names = {str(member[0]) for member in members}
    # The order says nothing unless a later member replaces an earlier one.
    return sorted(members, key=lambda member: str(member[0])) if len(names) == len(members) else members


def _member(tar: tarfile.TarFile, one: tarfile.TarInfo) -> list[object]:
    more = {name: value for name, value in sorted(one.pax_headers.items()) if name not in _ACCIDENTAL}
    facts: list[object] = [one.name, _KINDS.get(one.type, repr(one.type)), f"{one.mode:04o}"]
    if one.linkname:
        facts.append(f"to {one.linkname}")
    file = tar.extractfile(one) if one.isreg() else None
    if file is not None:
        facts.append(plain(file.read()))
    return [*facts, more] if more else facts


_KINDS = {tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "link"}


def _zip(data: bytes) -> list[list[object]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if sum(info.file_size for info in infos) > LONGEST_UNPACKED:
            message = "too long"
            raise ValueError(message)
        start = min((info.header_offset for info in infos), default=0)
        if start:
            message = "something stands before the archive"
            raise ValueError(message)
        comment: list[list[object]] = [["comment", digest(archive.comment)]] if archive.comment else []
        return [_zipped(archive, info) for info in infos] + comment


def _zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> list[object]:
    mode = stat.S_IMODE(info.external_attr >> 16)
    return [info.filename, f"{mode:04o}", plain(archive.read(info))]


def _inflated(data: bytes) -> bytes:
    return b"".join(_inflate(data))


def _inflate(data: bytes) -> Iterator[bytes]:
    left = LONGEST_UNPACKED
    while data:
        stream = zlib.decompressobj(wbits=31)
        piece = stream.decompress(data, left)
        left -= len(piece)
        if not stream.eof or left <= 0:
            message = "too long, or cut off"
            raise ValueError(message)
        yield piece
        data = stream.unused_data

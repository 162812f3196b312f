"""The certificate by which the emulator is known under the names of tunnels."""

from __future__ import annotations

import contextlib
import os
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_DOMAINS = ("127.0.0.1", "localhost", "runloop.ai", "runloop.pro", "runloop.test")
"""What tunnels' names end in: whatever base URL clients are given."""
_DAYS = 3650
_AUTHORITIES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian and its like, whose OpenSSL names a file that isn't there
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class NoCertificate(Exception):
    """Report a computer that can't make one; the message says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where it is.

    Attributes:
        certificate: What clients have to trust.
        bundle: That, with the authorities that this computer trusts anyway: for clients that want one file for all.
    """

    certificate: Path
    bundle: Path


def files(state: Path) -> Files:
    """Give the certificate's files in a state directory; takes a moment the first time, when they are made.

    Raises:
        NoCertificate: It can't be made.
    """
    directory = state / "tls"
    if not directory.exists():
        _make(directory)
    found = Files(certificate=directory / "certificate.pem", bundle=directory / "bundle.pem")
    # Each time anew: whom this computer trusts changes with its updates.
    trusted = authorities()
    system = "" if trusted is None else trusted.read_text(encoding="utf-8", errors="ignore")
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=directory, delete=False) as beside:
        beside.write(found.certificate.read_text(encoding="ascii") + system)
    Path(beside.name).replace(found.bundle)
    return found


def authorities() -> Path | None:
    """Give the file of those whom this computer trusts, if it has one where such files are."""
    said = ssl.get_default_verify_paths().cafile  # None, if there is no such file
    return next((Path(place) for place in (said, *_AUTHORITIES) if place and Path(place).is_file()), None)


def context(state: Path) -> ssl.SSLContext:
    """Give what a TLS server needs.

    Raises:
        NoCertificate: As above.
    """
    directory = files(state).certificate.parent
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(directory / "certificate.pem", directory / "key.pem")
    made.set_alpn_protocols(["http/1.1"])
    return made


def _make(directory: Path) -> None:
    beside = Path(tempfile.mkdtemp(prefix=".tls-", dir=directory.parent))
    names = ",".join(f"DNS:*.tunnel.{domain}" for domain in _DOMAINS)
    command = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", str(beside / "key.pem"), "-out", str(beside / "certificate.pem")),
        *("-days", str(_DAYS), "-subj", "/CN=pytest-runloop emulator", "-addext", f"subjectAltName={names}"),
        *("-addext", "keyUsage=critical,digitalSignature,keyCertSign", "-addext", "extendedKeyUsage=serverAuth"),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own words
    except FileNotFoundError as error:
        raise NoCertificate("https to tunnels needs the openssl command, which this computer has not") from error
    except subprocess.CalledProcessError as error:
        raise NoCertificate(f"openssl could not make a certificate: {error.stderr.strip()}") from error
    with contextlib.suppress(OSError):  # another emulator on this state directory was faster
        os.rename(beside, directory)  # noqa: PTH104 - never over a directory that has files

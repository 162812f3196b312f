"""The image that every sandbox starts from: this computer's own system directories, less what is private.

Nothing is downloaded and nothing of the host's is written to. Over the host's /usr, /etc and /var (read-only) lies a
small layer of ours: a fresh root directory, accounts, ``sudo``, and overlayfs whiteouts that hide what an ordinary
user of the host could not read, the host's people, and all of /var but the package database.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_runloop.emulator.machine.account import BASH, Account
from pytest_runloop.emulator.machine.namespaces import FIRST_HOST_ID

VERSION = 1
"""Part of the layer's name; raise it when what `build` writes changes."""
_SYSTEM = ("usr", "etc", "var")
_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_VAR_LIB = ("apt", "dpkg", "pam", "python", "systemd", "ucf", "xml-core", "sgml-base", "emacsen-common")
"""What Debian's package tools keep in /var/lib; the rest of the host's /var is somebody's data."""
_FIRST_PERSON, _NOBODY = 1000, 65534

_DIRECTORIES = {
    "dev": 0o755, "home": 0o755, "media": 0o755, "mnt": 0o755, "opt": 0o755, "proc": 0o555, "root": 0o700,
    "run": 0o755, "srv": 0o755, "sys": 0o555, "tmp": 0o1777, "home/user": 0o755,
}  # fmt: skip
_VAR = {
    "backups": 0o755, "cache": 0o755, "cache/apt": 0o755, "cache/apt/archives": 0o755,
    "cache/apt/archives/partial": 0o700, "cache/debconf": 0o755, "cache/ldconfig": 0o700, "lib": 0o755,
    "lib/misc": 0o755, "local": 0o755, "log": 0o755, "log/apt": 0o755, "mail": 0o1777, "opt": 0o755,
    "spool": 0o755, "tmp": 0o1777,
}  # fmt: skip
_SUDO = """#!/bin/sh
# Everybody may become anybody here, as on a Runloop devbox.
user=root
login=
while [ $# -gt 0 ]; do
  case $1 in
    -u|--user) user=$2; shift 2;;
    --user=*) user=${{1#*=}}; shift;;
    -u*) user=${{1#-u}}; shift;;
    -g|-h|-p|-C|-D|-r|-t|-T|-U) shift 2;;
    -i|-s|--login|--shell) login=1; shift;;
    --) shift; break;;
    -*) shift;;
    *=*) export "$1"; shift;;
    *) break;;
  esac
done
user=${{user#\\#}}
uid=$(id -u "$user") || exit 1
[ -z "$login" ] || set -- /bin/sh -c 'cd; if [ $# -gt 0 ]; then exec "$@"; else exec bash; fi' sh "$@"
[ $# -gt 0 ] || {{ echo "usage: sudo [-u user] command" >&2; exit 1; }}
export SUDO_USER="$(id -un)" SUDO_UID="$(id -u)" USER="$(id -un "$user")" LOGNAME="$(id -un "$user")"
HOME=$(getent passwd "$user" | cut -d: -f6); export HOME
{become}
"""
_BECOME_ANY = 'exec /usr/lib/runloop/setpriv --reuid "$uid" --regid "$(id -g "$user")" --init-groups -- "$@"'
_BECOME_ONE = """[ "$uid" != "$(id -u)" ] || exec "$@"
[ "$uid" != 0 ] || exec unshare --user --map-root-user -- "$@"
echo "sudo: this sandbox belongs to an ordinary user of the host and has one uid; it cannot become $user" >&2
exit 1"""


@dataclass(frozen=True, kw_only=True)
class Image:
    """Where the parts of a sandbox's root file system come from.

    Attributes:
        trees: Top-level directories with an overlay of their own, ``root`` (for ``/``) first.
        layer: Our own layer: a directory by tree, and ``mask-TREE`` with the whiteouts.
        hosts: The trees that stand on the host's directory of the same name.
    """

    trees: tuple[str, ...]
    layer: Path
    hosts: tuple[str, ...]

    def own(self, tree: str) -> list[Path]:
        """List our layer's directories for one tree, the lowest first."""
        parts = [self.layer / f"mask-{tree}", self.layer / tree]
        return [part for part in parts if part.is_dir()]


def build(directory: Path, *, all_ids: bool) -> Image:
    """Make the layer, unless one with this very content is there.

    Args:
        directory: Where layers are kept, each named by its content.
        all_ids: Whether sandboxes have all uids; an ordinary host user's have just one.
    """
    real = tuple(name for name in _LINKS if Path("/", name).is_dir() and not Path("/", name).is_symlink())
    hosts = (*(name for name in _SYSTEM if all_ids or name != "var"), *real)
    masked = list(_private(Path("/etc")))
    accounts = {name: _system_accounts(Path("/etc", name)) for name in ("passwd", "group")}
    content = repr((VERSION, all_ids, hosts, masked, accounts)).encode()
    layer = directory / hashlib.sha256(content).hexdigest()[:16]
    if not layer.is_dir():
        beside = directory / f".{layer.name}.{os.getpid()}"
        _write_layer(beside, masked, accounts, all_ids=all_ids)
        try:
            beside.rename(layer)
        except OSError:  # another emulator was faster
            shutil.rmtree(beside)
    return Image(trees=("root", *_SYSTEM, *real), layer=layer, hosts=hosts)


def _write_layer(layer: Path, masked: list[str], accounts: dict[str, str], *, all_ids: bool) -> None:
    _make_directories(layer / "root", _DIRECTORIES)
    for name in _LINKS:
        if Path("/", name).is_symlink():
            (layer / "root" / name).symlink_to(Path("/", name).readlink())
        elif Path("/", name).is_dir():
            (layer / "root" / name).mkdir()
    for name in _SYSTEM:
        (layer / "root" / name).mkdir()
    _write_var(layer)
    _write_etc(layer, masked, accounts)
    _write_usr(layer / "usr", all_ids=all_ids)
    if all_ids:
        _give_to_sandbox(layer)


def _write_var(layer: Path) -> None:
    _make_directories(layer / "var", _VAR)
    (layer / "var/run").symlink_to("/run")
    (layer / "var/lock").symlink_to("/run/lock")
    (layer / "mask-var/lib").mkdir(parents=True)
    for parent, keep in ((Path("/var"), ("lib",)), (Path("/var/lib"), _VAR_LIB)):
        for path in parent.iterdir():
            if path.name not in keep:
                _hide(layer / "mask-var" / path.relative_to("/var"))


def _write_etc(layer: Path, masked: list[str], accounts: dict[str, str]) -> None:
    etc = layer / "etc"
    etc.mkdir()
    user = Account()
    names = [line.split(":")[0] for line in accounts["passwd"].splitlines()]
    shadow = "".join(f"{name}:*:19000:0:99999:7:::\n" for name in (*names, user.username))
    texts = {
        "passwd": accounts["passwd"] + f"{user.username}:x:{user.uid}:{user.uid}::{user.home}:{BASH}\n",
        "group": accounts["group"] + f"{user.username}:x:{user.uid}:\n",
        "shadow": shadow,
        "hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost\n",
        "hostname": "devbox\n",
        "resolv.conf": "# names are resolved by the proxy in $http_proxy\nnameserver 127.0.0.1\n",
        "machine-id": "",
    }
    for name, text in texts.items():
        (etc / name).write_text(text, encoding="utf-8")
    (etc / "shadow").chmod(0o640)
    for name in masked:
        target = layer / "mask-etc" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        _hide(target)


def _write_usr(usr: Path, *, all_ids: bool) -> None:
    _make_directories(usr, {"bin": 0o755, "lib": 0o755, "lib/runloop": 0o755})
    sudo = usr / "bin/sudo"
    sudo.write_text(_SUDO.format(become=_BECOME_ANY if all_ids else _BECOME_ONE), encoding="utf-8")
    sudo.chmod(0o755)
    if all_ids:
        shutil.copyfile(shutil.which("setpriv") or "/usr/bin/setpriv", usr / "lib/runloop/setpriv")


def _give_to_sandbox(layer: Path) -> None:
    """Make everything the sandbox root's, which on the host is nobody: not even a setuid file is worth stealing."""
    for path in (layer, *layer.rglob("*")):
        os.chown(path, FIRST_HOST_ID, FIRST_HOST_ID, follow_symlinks=False)
    owner = FIRST_HOST_ID + Account().uid
    os.chown(layer / "root/home/user", owner, owner)
    (layer / "usr/lib/runloop/setpriv").chmod(0o4755)


def _make_directories(parent: Path, modes: dict[str, int]) -> None:
    parent.mkdir(parents=True)
    parent.chmod(0o755)
    for name, mode in modes.items():
        (parent / name).mkdir()
        (parent / name).chmod(mode)


def _hide(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR, 0)  # overlayfs's whiteout


def _private(top: Path) -> Iterator[str]:
    """Name what is below ``top`` and not open to everybody, relative to it; a directory stands for all in it."""
    pending = [top]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                mode = entry.stat(follow_symlinks=False).st_mode
                if stat.S_ISLNK(mode):
                    continue
                needed = 0o005 if stat.S_ISDIR(mode) else 0o004
                if mode & needed != needed:
                    yield str(Path(entry.path).relative_to(top))
                elif stat.S_ISDIR(mode):
                    pending.append(Path(entry.path))


def _system_accounts(path: Path) -> str:
    """Keep the lines of the system's own accounts and groups, without the people in them."""
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2].isdigit() and (int(fields[2]) < _FIRST_PERSON or int(fields[2]) == _NOBODY):  # noqa: PLR2004
            kept.append(line if path.name == "passwd" else ":".join([*fields[:3], ""]))
    return "".join(f"{line}\n" for line in kept)

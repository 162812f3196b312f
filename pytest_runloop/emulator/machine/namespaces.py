"""What happens in the doorman's children: mounts are staged, namespaces joined, ids taken, programs become.

Everything here runs in a process of its own that was just forked, and that ends or execs right after. After a child
has joined a sandbox it imports nothing any more: the files would be the sandbox's.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import resource
import signal
import socket
import stat
import struct
import termios
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FIRST_HOST_ID = 0x70000000
"""Host id that a sandbox's uid and gid 0 are mapped to: above every range that systemd and useradd hand out, so that
sandbox root owns nothing on the host, not even the root-owned switches in /proc/sys."""
ID_COUNT = 65536
STAGE = "/run"
"""Where idmapped copies are mounted for bwrap to find, in a mount namespace nobody else sees."""

_CLONE_NEWNS, _CLONE_NEWCGROUP, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
FILES = _CLONE_NEWUSER | _CLONE_NEWNS
"""The namespaces to join for a look at a sandbox's files; likewise the next two."""
NETWORK = _CLONE_NEWUSER | _CLONE_NEWNET
ALL = FILES | NETWORK | _CLONE_NEWPID | _CLONE_NEWIPC | _CLONE_NEWUTS | _CLONE_NEWCGROUP
_MS_REC_PRIVATE = 0x4000 | 0x40000
_MOUNT_ATTR_IDMAP = 0x00100000
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_AT_FDCWD, _AT_EMPTY_PATH, _MOVE_FROM_FD = -100, 0x1000, 0x4
_PR_SET_CHILD_SUBREAPER = 36
_CAPABILITY_VERSION_3 = 0x20080522
_TIOCSPTLCK = 0x40045431
_libc = ctypes.CDLL(None, use_errno=True)

Request = dict[str, Any]


def become_bwrap(request: Request, descriptors: list[int]) -> None:
    """Prepare the mounts of a sandbox and become its bubblewrap; see `Doorman.boot`."""
    stdout, info, errors = descriptors
    _signals_to_default()
    silence, held = os.pipe()
    os.dup2(silence, 0)
    os.set_inheritable(held, True)
    os.dup2(errors, 2)
    try:
        enter_groups(request["procs"])
        if request["stage"] is not None:
            _stage(request["stage"])
        os.dup2(stdout, 1)
        # Everybody in the sandbox can read the command line of its init, so the host's paths don't go there.
        arguments = os.memfd_create("arguments", 0)
        os.write(arguments, "\0".join(("--info-fd", str(info), *request["argv"])).encode())
        os.lseek(arguments, 0, os.SEEK_SET)
        os.set_inheritable(info, True)
        os.execve(request["program"], ["bwrap", "--args", str(arguments), "--", *request["payload"]], request["env"])
    except OSError as error:
        os.write(2, f"cannot start bubblewrap: {error.strerror}\n".encode())
        os._exit(126)


def _stage(mounts: list[tuple[str, str, bool]]) -> None:
    """Show bwrap directories under STAGE, then enter the sandbox's user namespace as its root.

    A mount is ``[source, name, shift]``. The host's own directories are shifted, so that what belongs to its root
    belongs to the sandbox's; what is ours has shifted owners already.
    """
    users = _new_user_namespace()
    _call("unshare", _CLONE_NEWNS)
    _call("mount", None, b"/", None, _MS_REC_PRIVATE, None)
    trees = [(_tree(source, users if shift else None), f"{STAGE}/{name}") for source, name, shift in mounts]
    _call("mount", b"tmpfs", STAGE.encode(), b"tmpfs", 0, b"mode=755")
    for tree, target in trees:
        Path(target).mkdir(mode=0o755)
        _call("syscall", _MOVE_MOUNT, tree, b"", _AT_FDCWD, target.encode(), _MOVE_FROM_FD)
        os.close(tree)
    _call("setns", users, _CLONE_NEWUSER)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _tree(source: str, shift_by: int | None) -> int:
    tree = _call("syscall", _OPEN_TREE, _AT_FDCWD, source.encode(), 1 | os.O_CLOEXEC)
    if shift_by is not None:
        attributes = struct.pack("QQQQ", _MOUNT_ATTR_IDMAP, 0, 0, shift_by)
        _call("syscall", _MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, attributes, len(attributes))
    return tree


def _new_user_namespace() -> int:
    """Make a user namespace with ids of its own; the descriptor keeps it alive."""
    inside, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        _call("unshare", _CLONE_NEWUSER)
        os.write(told, b".")
        signal.pause()
    try:
        os.read(inside, 1)
        for kind in ("uid_map", "gid_map"):
            _write(f"/proc/{pid}/{kind}", f"0 {FIRST_HOST_ID} {ID_COUNT}")
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def become_command(request: Request, descriptors: list[int], settles: int) -> None:
    """Become a command of a sandbox that this process is in already; ``settles`` tells when it can be signalled."""
    os.setsid()
    _signals_to_default()
    os.write(settles, b".")
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (request["pids"], request["pids"]))
    _become(request)
    try:
        os.chdir(request["cwd"])
    except OSError:
        os.chdir("/")
    # Move them out of the way first: a source may be another one's target.
    high = [os.dup(descriptor) if descriptor < len(descriptors) else descriptor for descriptor in descriptors]
    for target, descriptor in enumerate(high):
        os.dup2(descriptor, target)
    if request.get("terminal"):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    try:
        os.execve(request["argv"][0], request["argv"], request["env"])
    except OSError as error:
        os.write(2, f"{request['argv'][0]}: {error.strerror}\n".encode())
        os._exit(126 if error.errno in (errno.E2BIG, errno.EACCES) else 127)


def _become(request: Request) -> None:
    """Take the account's ids, and the groups that the sandbox's own /etc/group gives it."""
    uid, gid = request["uid"], request["uid"]
    with contextlib.suppress(PermissionError):  # an ordinary user's sandbox has just one id, and no groups
        os.setgroups(_groups_of(request["username"]) if uid else [])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if uid:
        # Joining the namespace gave every capability in it, and a change from an id outside takes none away.
        _call("capset", struct.pack("Ii", _CAPABILITY_VERSION_3, 0), bytes(24))


def _groups_of(username: str) -> list[int]:
    try:
        lines = _read_regular("/etc/group").splitlines()
    except OSError:
        return []
    rows = [line.split(":") for line in lines if line.count(":") == 3]  # noqa: PLR2004 - name, password, id, members
    return [int(row[2]) for row in rows if row[2].isdigit() and username in row[3].split(",")]


def _read_regular(path: str) -> str:
    """Read a file that the sandbox controls: never wait on it, never read without end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(descriptor, 1 << 20).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def open_file(request: Request) -> int:
    """Open a regular file by the sandbox's own links and rights."""
    os.umask(0o022)
    _become(request)
    path = Path(request["home"], _expand(request["path"], request["home"]))
    flags = os.O_RDONLY
    if request["write"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT
    # Without O_NONBLOCK a named pipe would hang here; without O_NOCTTY a terminal would be taken.
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY, 0o644)
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        raise OSError(errno.EISDIR if stat.S_ISDIR(kind) else errno.EINVAL, str(path))
    if request["write"]:
        os.ftruncate(descriptor, 0)
    return descriptor


def _expand(path: str, home: str) -> str:
    return home + path[1:] if path == "~" or path.startswith("~/") else path


def open_terminal(request: Request) -> int:
    """Open a new pseudo terminal of the sandbox, which belongs to the account; the near side."""
    _become(request)
    descriptor = os.open("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(descriptor, _TIOCSPTLCK, bytes(4))
    return descriptor


def connect(request: Request) -> int:
    """Connect to a port of the sandbox's loopback."""
    connection = socket.create_connection(("127.0.0.1", request["port"]), timeout=10)
    return connection.detach()


def listen(request: Request) -> int:
    """Listen on a port of the sandbox's loopback."""
    return socket.create_server(("127.0.0.1", request["port"])).detach()


def join(init: int, namespaces: int) -> None:
    """Join several namespaces of a process at once: one by one, the first would take the rights for the next."""
    _call("setns", init, namespaces)


def _signals_to_default() -> None:
    # Python ignores SIGPIPE, and an ignored signal stays ignored in the program that follows.
    for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def adopt_orphans() -> None:
    """Become the parent of children's orphans, as an init is."""
    _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def enter_groups(procs: Sequence[str]) -> None:
    """Go to the sandbox's control groups, and let the kernel kill what comes from here before others.

    The second is for when memory runs out.
    """
    for group in procs:
        _write(group, "0")
    _write("/proc/self/oom_score_adj", "1000")


def _write(path: str, text: str) -> None:
    # Not by a text file: its codec would be loaded in each child anew, and from where the child is by then.
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _call(name: str, *arguments: object) -> int:
    result: int = getattr(_libc, name)(*arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
    return result

"""COPY and ADD of a Dockerfile, as a command for the build's root. Pure.

Everything is looked up in the machine, where the build context is unpacked: what a pattern means depends on it.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_runloop.emulator.domain.dockerfile import DockerfileError, Heredoc, Instruction
from pytest_runloop.emulator.domain.words import expand, split

CONTEXT = "/run/build-context"
"""Where a build finds its context; nothing there is kept."""
_PATTERN = frozenset("*?[]")
_OWNER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_MODE = re.compile(r"[0-7]{3,4}|[ugoa]*[-+=][rwxXst]*(,[ugoa]*[-+=][rwxXst]*)*")
_ORDINARY = re.compile(r"[\"']|\\(?!\$)")
_WITHOUT_EFFECT = frozenset({"link"})


@dataclass(frozen=True, kw_only=True)
class Copy:
    """What an instruction copies.

    Attributes:
        sources: Patterns in the build context.
        texts: The texts after the instruction, by file name.
        target: An absolute path; with a slash at its end it is a directory.
    """

    sources: Sequence[str]
    texts: Mapping[str, str]
    target: str
    owner: str
    mode: str | None
    unpack: bool


def read_copy(instruction: Instruction, *, directory: str, variables: Mapping[str, str]) -> Copy:
    """Read a COPY or ADD.

    Args:
        instruction: The instruction.
        directory: Where a relative target begins.
        variables: Put into words and texts.

    Raises:
        DockerfileError: It can't be done here; the message says why.
        BadWord: A word can't be expanded.
    """
    flags = dict(flag.partition("=")[::2] for flag in instruction.flags)
    owner, mode = expand(flags.pop("chown", "0:0"), variables), flags.pop("chmod", None)
    words = _words(instruction, variables)
    _check(instruction, [name for name in flags if name not in _WITHOUT_EFFECT], owner=owner, mode=mode)
    if len(words) < 2:  # noqa: PLR2004 - a source and a target
        raise DockerfileError(instruction.line, f"{instruction.keyword} needs a source and a target.")
    texts = {one.marker: one for one in instruction.heredocs}
    sources = [in_context(instruction, word) for word in words[:-1] if word not in texts]
    target = posixpath.join(directory, words[-1])
    if posixpath.basename(words[-1]) in {".", ".."}:
        target += "/"
    return Copy(
        sources=sources,
        texts={one.end: _text(one, variables) for one in texts.values()},
        target=posixpath.normpath(target) + ("/" if target.endswith("/") and posixpath.normpath(target) != "/" else ""),
        owner=owner,
        mode=mode,
        unpack=instruction.keyword == "ADD",
    )


def command(copy: Copy) -> str:
    """Write the command."""
    many = len(copy.sources) + len(copy.texts) > 1 or copy.target.endswith("/")
    lines = [
        f"target={shlex.quote(copy.target)} owner={shlex.quote(copy.owner)} mode={shlex.quote(copy.mode or '')}",
        f"many={'yes' if many else ''} unpack={'yes' if copy.unpack else ''}",
        _FUNCTIONS,
    ]
    for name, text in copy.texts.items():
        lines.append(f"text {shlex.quote(name)} {shlex.quote(text)}")
    lines += [f'found=({_pattern(source)})\ncopy {shlex.quote(source)} "${{found[@]}}"' for source in copy.sources]
    return "\n".join(lines)


def bind(source: str, target: str) -> str:
    """Write what shows a part of the context at a path, for a while; it is only a link."""
    there, path = shlex.quote(f"{CONTEXT}/{source}"), shlex.quote(target)
    return (
        f"[ -e {there} ] || {{ echo {shlex.quote(source)}: not found in the build context; exit 1; }}\n"
        f"if [ -d {path} ]; then rmdir -- {path}; fi && mkdir -p -- {shlex.quote(posixpath.dirname(target))} &&"
        f" ln --symbolic --no-target-directory -- {there} {path}"
    )


def unbind(target: str) -> str:
    """Write what takes it away again; a directory stays where it was."""
    path = shlex.quote(target)
    return f"if [ -d {path} ]; then rm -- {path} && mkdir -- {path}; else rm -- {path}; fi"


def _words(instruction: Instruction, variables: Mapping[str, str]) -> list[str]:
    words = instruction.exec_form
    markers = {one.marker for one in instruction.heredocs}
    if words is None:
        words = split(instruction.argument)
    return [word if word in markers else expand(word, variables) for word in words]


def _check(instruction: Instruction, unknown: Sequence[str], *, owner: str, mode: str | None) -> None:
    keyword, line = instruction.keyword, instruction.line
    if "from" in unknown:
        raise DockerfileError(line, f"{keyword} --from: builds in several stages and other images are not emulated.")
    if unknown:
        raise DockerfileError(line, f"{keyword} --{unknown[0]}: not emulated.")
    if not _OWNER.fullmatch(owner):
        raise DockerfileError(line, f"{keyword} --chown={owner}: not of the form user:group.")
    if mode is not None and not _MODE.fullmatch(mode):
        raise DockerfileError(line, f"{keyword} --chmod={mode}: no mode.")


def in_context(instruction: Instruction, word: str) -> str:
    """Read a path in the build context.

    Raises:
        DockerfileError: It leads out of it.
    """
    if "://" in word or word.startswith("git@"):
        raise DockerfileError(instruction.line, f"{instruction.keyword} {word}: fetch it in a RUN instead.")
    # A leading slash means the context's own root.
    parts = [part for part in word.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise DockerfileError(instruction.line, f"{instruction.keyword} {word}: '..' leads out of the build context.")
    return "/".join(parts) or "."


def _pattern(source: str) -> str:
    """Quote a source for bash, but leave it to bash what a pattern matches."""
    return "".join(one if one in _PATTERN or one.isalnum() or one in "/._-^" else f"\\{one}" for one in source)


def _text(heredoc: Heredoc, variables: Mapping[str, str]) -> str:
    if any(quote in heredoc.marker for quote in "\"'"):
        return heredoc.text
    # In a text, quotes and backslashes are ordinary characters: they are kept from `expand`, which would take them.
    return expand(_ORDINARY.sub(lambda found: "\\" + found[0], heredoc.text), variables)


_FUNCTIONS = r"""
set -e
shopt -s nullglob dotglob
if [ -d CONTEXT ]; then cd CONTEXT; fi
read -r _ _ ids < /proc/self/uid_map
case $owner in
  *:*) ;;
  *[!0-9]*) owner=$owner: ;;
  *) owner=$owner:$owner ;;
esac
kept=mode,timestamps,links
[ "$ids" -eq 1 ] || kept=$kept,ownership
place() { # $1 to the target, or into it by the name $2
  local to=$target
  if [ -n "$many" ] || [ -d "$target" ]; then
    to=${target%/}/$2
  fi
  mkdir -p -- "$(dirname -- "$to")"
  [ "$ids" -eq 1 ] || chown -hR -- "$owner" "$1"
  cp --recursive --no-target-directory --preserve="$kept" -- "$1" "$to"
  [ -z "$mode" ] || chmod -R -- "$mode" "$to"
}
copy() {
  local source=$1
  shift
  [ "$#" -le 1 ] || many=yes
  if [ "$#" -eq 0 ] || { [ "$#" -eq 1 ] && [ ! -e "$1" ] && [ ! -L "$1" ]; }; then
    echo "$source: not found in the build context" >&2
    exit 1
  fi
  for item in "$@"; do
    real=$(realpath -- "$item")
    case $real/ in CONTEXT/*) ;; *) echo "$item leads out of the build context" >&2; exit 1 ;; esac
    if [ -d "$item" ] && [ ! -e "$target" ]; then
      many='' place "$real" ''
    elif [ -d "$item" ]; then
      for inner in "$item"/*; do
        many=yes place "$inner" "${inner##*/}"
      done
    elif [ -n "$unpack" ] && [ -s "$real" ] && tar --list --file="$real" >/dev/null 2>&1; then
      mkdir -p -- "$target"
      tar --extract --no-same-owner --file="$real" --directory="$target"
    else
      place "$real" "${item##*/}"
    fi
  done
}
text() {
  local directory
  directory=$(mktemp -d)
  printf %s "$2" >"$directory/$1"
  chmod 0644 "$directory/$1"
  place "$directory/$1" "$1"
  rm -r -- "$directory"
}
""".replace("CONTEXT", CONTEXT)

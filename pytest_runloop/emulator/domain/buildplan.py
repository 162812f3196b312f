"""What a Dockerfile asks for, as commands to run one after another. Pure.

Nothing in a Dockerfile depends on what its commands do, so all variables are put in before the first one runs.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from pytest_runloop.emulator.domain import copying
from pytest_runloop.emulator.domain.blueprints import hint
from pytest_runloop.emulator.domain.dockerfile import DockerfileError, Instruction, parse
from pytest_runloop.emulator.domain.steps import ROOT, SECRETS, Step
from pytest_runloop.emulator.domain.words import BadWord, expand, split

_SHELL = ("/bin/sh", "-c")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STAND_IN = re.compile(r"(docker\.io/)?(library/)?(ubuntu|debian)([:@].*)?")
_VENDOR = re.compile(r"(runloop:)?(?P<name>runloop/.+)")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A whole Dockerfile.

    Attributes:
        base: The base blueprint it starts from; None for the default image.
        origin: What it calls its base.
        steps: In order; all for a machine whose account is root.
        environment: What it sets for devboxes.
    """

    base: str | None
    origin: str
    steps: Sequence[Step]
    environment: Mapping[str, str]


def plan(
    dockerfile: str,
    *,
    arguments: Mapping[str, str],
    secrets: Mapping[str, str],
    path: str,
    bases: Collection[str],
    has_context: bool = False,
) -> Plan:
    """Work out what to run.

    Args:
        dockerfile: The text.
        arguments: Values for ARG.
        secrets: Values for ARG and for the environment of commands; not kept.
        path: What ``$PATH`` is before the Dockerfile changes it.
        bases: The names of base blueprints.
        has_context: Whether there is a build context, which the machine then finds in its place.

    Raises:
        DockerfileError: It can't be built here; the message names the line and says why.
    """
    reader = _Reader(arguments=arguments, secrets=secrets, path=path, bases=bases, has_context=has_context)
    for instruction in parse(dockerfile):
        try:
            reader.take(instruction)
        except BadWord as error:
            raise DockerfileError(instruction.line, f"{error}.") from None
    return reader.plan()


class _Reader:
    def __init__(
        self,
        *,
        arguments: Mapping[str, str],
        secrets: Mapping[str, str],
        path: str,
        bases: Collection[str],
        has_context: bool,
    ) -> None:
        self._has_context = has_context
        self._given = {**secrets, **arguments}
        self._secrets = secrets
        self._path = path
        self._bases = bases
        self._global: dict[str, str] = {}
        self._arguments: dict[str, str] = {}
        self._environment: dict[str, str] = {}
        self._origin: str | None = None
        self._base: str | None = None
        self._user = ROOT
        self._directory = "/"
        self._shell: Sequence[str] = _SHELL
        self._steps: list[Step] = []

    def take(self, instruction: Instruction) -> None:
        if self._origin is None and instruction.keyword not in {"FROM", "ARG"}:
            raise DockerfileError(instruction.line, f"{instruction.keyword} before FROM; begin with FROM.")
        if instruction.keyword in _HANDLERS:
            _HANDLERS[instruction.keyword](self, instruction)

    def plan(self) -> Plan:
        if self._origin is None:
            raise DockerfileError(1, "there is no FROM.")
        return Plan(base=self._base, origin=self._origin, steps=tuple(self._steps), environment=self._environment)

    def from_(self, instruction: Instruction) -> None:
        if self._origin is not None:
            raise DockerfileError(instruction.line, "a second FROM: builds in several stages are not emulated.")
        self._origin = expand(split(instruction.argument)[0], self._global)
        vendor = _VENDOR.fullmatch(self._origin)
        if vendor is not None and vendor["name"] in self._bases:
            self._base = vendor["name"]
        elif vendor is not None:
            raise DockerfileError(
                instruction.line, f"no base image {vendor['name']!r}. {hint(vendor['name'], self._bases)}"
            )
        elif not _STAND_IN.fullmatch(self._origin):
            raise DockerfileError(
                instruction.line,
                f"{instruction}: registries are not emulated, so {self._origin!r} can't be fetched."
                f" Begin with ubuntu:…, debian:… or a base blueprint ({', '.join(self._bases)}).",
            )

    def arg(self, instruction: Instruction) -> None:
        for word in split(instruction.argument):
            name, given, default = word.partition("=")
            value = self._given.get(name)
            if value is None and given:
                value = expand(default, self._variables())
            if self._origin is None:
                self._global.update({} if value is None else {name: value})
            elif value is not None or name in self._global:
                self._arguments[name] = self._global[name] if value is None else value

    def env(self, instruction: Instruction) -> None:
        variables = self._variables()
        pairs = [word.partition("=") for word in split(instruction.argument)]
        if not pairs[0][1]:  # the old form: one name, and all the rest is its value
            name, value = [*instruction.argument.split(maxsplit=1), ""][:2]
            pairs = [(name, "=" if value else "", value)]
        for name, sign, value in pairs:
            if not sign or not _VARIABLE.fullmatch(name):
                raise DockerfileError(instruction.line, f"ENV: {name!r} is not of the form NAME=value.")
            self._environment[name] = expand(value, variables)

    def run(self, instruction: Instruction) -> None:
        command = " ".join(["cd", shlex.quote(self._directory), "&&", self._command(instruction)])
        prepared = [_mount(instruction.line, flag) for flag in instruction.flags]
        binds = [self._bind(instruction, flag) for flag in instruction.flags if _is_bind(flag)]
        for source, target in binds:
            self._step(instruction, copying.bind(source, target), user=ROOT)
        self._step(instruction, "\n".join([*filter(None, prepared), command]), user=self._user)
        for _, target in binds:
            self._step(instruction, copying.unbind(target), user=ROOT)

    def workdir(self, instruction: Instruction) -> None:
        self._directory = posixpath.join(self._directory, expand(instruction.argument, self._variables()))
        self._step(instruction, f"mkdir -p -- {shlex.quote(self._directory)}", user=ROOT)

    def user(self, instruction: Instruction) -> None:
        self._user = expand(instruction.argument, self._variables()).partition(":")[0]
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", self._user):
            raise DockerfileError(instruction.line, f"USER: {self._user!r} can't be a user.")

    def shell(self, instruction: Instruction) -> None:
        words = instruction.exec_form
        if not words:
            raise DockerfileError(instruction.line, 'SHELL needs the form ["program", "argument"].')
        self._shell = words

    def copy(self, instruction: Instruction) -> None:
        wanted = copying.read_copy(instruction, directory=self._directory, variables=self._variables())
        if wanted.sources and not self._has_context:
            raise DockerfileError(
                instruction.line,
                f"{instruction.keyword}: there is no build context; give one as build_context, an object of type tgz.",
            )
        self._step(instruction, copying.command(wanted), user=ROOT)

    def _bind(self, instruction: Instruction, flag: str) -> tuple[str, str]:
        options = _options(flag)
        target = options.get("target") or options.get("dst") or options.get("destination")
        if "from" in options or not self._has_context or target is None:
            raise DockerfileError(
                instruction.line, f"RUN --{flag}: not emulated; only parts of the build context can be bound."
            )
        source = copying.in_context(instruction, options.get("source") or options.get("src") or ".")
        return source, posixpath.normpath(posixpath.join(self._directory, expand(target, self._variables())))

    def _command(self, instruction: Instruction) -> str:
        words = instruction.exec_form
        if words is not None:
            return f"exec {shlex.join(words)}"
        text = instruction.argument
        if len(instruction.heredocs) == 1 and text == instruction.heredocs[0].marker:
            return shlex.join([*self._shell, instruction.heredocs[0].text])
        tails = [f"{one.text}{one.end}\n" for one in instruction.heredocs]
        return shlex.join([*self._shell, "\n".join([text, *tails]) if tails else text])

    def _step(self, instruction: Instruction, command: str, *, user: str) -> None:
        environment = {**self._secrets, **self._arguments, **self._environment}
        title = f"line {instruction.line}: {instruction}"
        self._steps.append(Step(title=title, command=command, environment=environment, user=user))

    def _variables(self) -> dict[str, str]:
        outside = self._global if self._origin is None else {}
        return {"PATH": self._path, **outside, **self._arguments, **self._environment}


def _mount(line: int, flag: str) -> str:
    """Give what must be done before a RUN with this flag."""
    name, _, value = flag.partition("=")
    if name != "mount" or _is_bind(flag):
        return ""  # --network and --security change nothing here
    options = _options(flag)
    kind = options["type"]
    if kind == "cache" and "target" in options:
        return f"mkdir -p -- {shlex.quote(options['target'])}"
    target = options.get("target")
    if kind == "secret" and target in {None, f"{SECRETS}/{options.get('id')}"}:
        return ""  # all secrets are there
    raise DockerfileError(
        line, f"RUN --mount={value}: not emulated; only caches, parts of the context, and secrets in {SECRETS} are."
    )


def _options(flag: str) -> dict[str, str]:
    return dict(option.partition("=")[::2] for option in flag.partition("=")[2].split(","))


def _is_bind(flag: str) -> bool:
    return flag.startswith("mount=") and _options(flag).get("type", "bind") == "bind"


_HANDLERS: Mapping[str, Callable[[_Reader, Instruction], None]] = {
    "FROM": _Reader.from_,
    "ARG": _Reader.arg,
    "ENV": _Reader.env,
    "RUN": _Reader.run,
    "WORKDIR": _Reader.workdir,
    "USER": _Reader.user,
    "SHELL": _Reader.shell,
    "COPY": _Reader.copy,
    "ADD": _Reader.copy,
}
"""What the others say (CMD, EXPOSE, LABEL and so on) means nothing to a devbox, there as here."""

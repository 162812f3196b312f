from __future__ import annotations

import subprocess
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_runloop.emulator.domain.blueprints import BASE_BLUEPRINTS
from pytest_runloop.emulator.domain.buildplan import Plan, plan
from pytest_runloop.emulator.domain.dockerfile import KEYWORDS, DockerfileError
from pytest_runloop.emulator.domain.steps import Step

BASES = [base.name for base in BASE_BLUEPRINTS]
ARGUMENTS = ["ubuntu", "A=1 B=$A", "A b", "user", "/x", '["sh"]', "${", "--mount=type=cache true", "<<E\nE", "python:3"]


def _plan(text: str, *, arguments: dict[str, str] | None = None, secrets: dict[str, str] | None = None) -> Plan:
    return plan(text, arguments=arguments or {}, secrets=secrets or {}, path="/bin", bases=BASES)


def _step(lines: str, **given: dict[str, str]) -> Step:
    return _plan(f"FROM ubuntu\n{lines}", **given).steps[-1]


def _output(step: Step) -> str:
    environment = {"PATH": "/usr/bin:/bin", **step.environment}
    return subprocess.check_output(["bash", "-c", step.command], env=environment, text=True)


@pytest.mark.parametrize("image", ["ubuntu", "ubuntu:22.04", "debian:12-slim", "docker.io/library/ubuntu:24.04"])
def test_this_computers_system_stands_in_for_its_relatives(image: str) -> None:
    assert _plan(f"FROM --platform=linux/amd64 {image} AS x").base is None


@pytest.mark.parametrize("image", ["runloop:runloop/starter-x86_64", "runloop/starter-x86_64"])
def test_a_base_blueprint_is_one_to_begin_with(image: str) -> None:
    assert _plan(f"FROM {image}").base == "runloop/starter-x86_64"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("FROM python:3.12", 1, "registries are not emulated"),
        ("FROM myubuntu:1", 1, "registries are not emulated"),
        ("FROM runloop:runloop/starter-x86_6", 1, "Close to it: runloop/starter-x86_64"),
        ("FROM ubuntu\n\nCOPY . /app", 3, "no build context"),
        ("FROM ubuntu\nADD a b", 2, "no build context"),
        ("FROM ubuntu AS a\nFROM ubuntu", 2, "several stages"),
        ("RUN true", 1, "before FROM"),
        ("ARG A", 1, "no FROM"),
        ("FROM ubuntu\nENV A", 2, "NAME=value"),
        ("FROM ubuntu\nENV A=1 B", 2, "NAME=value"),
        ("FROM ubuntu\nENV A=${B", 2, "without its"),
        ("FROM ubuntu\nUSER a;b", 2, "USER"),
        ("FROM ubuntu\nSHELL sh", 2, "SHELL"),
        ("FROM ubuntu\nRUN --mount=type=bind,source=a true", 2, "not emulated"),
    ],
)
def test_what_can_not_be_built_is_named_with_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(DockerfileError, match=f"line {line}: .*{problem}"):
        _plan(text)


def test_variables_reach_commands_and_devboxes() -> None:
    planned = _plan('FROM ubuntu\nENV A=1 B="x $A y" PATH=/opt:$PATH\nENV A=2 C=$A\nENV OLD  form is this\nRUN true')

    assert planned.environment == {"A": "2", "B": "x  y", "C": "1", "PATH": "/opt:/bin", "OLD": "form is this"}
    assert planned.steps[-1].environment == planned.environment


def test_arguments_are_for_the_build_only() -> None:
    text = "ARG V=22.04\nFROM ubuntu:$V\nARG V\nARG X=$V-x\nARG Y\nARG Z=z\nENV Z=env\nRUN true"

    planned = _plan(text, arguments={"Y": "given", "unasked": "1"})

    assert planned.origin == "ubuntu:22.04"
    assert planned.environment == {"Z": "env"}
    assert planned.steps[-1].environment == {"V": "22.04", "X": "22.04-x", "Y": "given", "Z": "env"}


def test_given_arguments_win_over_defaults() -> None:
    assert _plan("ARG V=a\nFROM ubuntu:$V", arguments={"V": "b"}).origin == "ubuntu:b"
    assert _step("ARG A=a\nRUN true", arguments={"A": "b"}).environment == {"A": "b"}


def test_a_secret_wins_over_a_default() -> None:
    assert _step("ARG TOKEN=x\nRUN true", secrets={"TOKEN": "s"}).environment == {"TOKEN": "s"}


def test_secrets_are_for_the_build_only() -> None:
    planned = _plan("FROM ubuntu\nARG TOKEN\nRUN --mount=type=secret,id=TOKEN true", secrets={"TOKEN": "s"})

    assert planned.environment == {}
    assert planned.steps[-1].environment == {"TOKEN": "s"}


def test_directories_follow_each_other() -> None:
    planned = _plan("FROM ubuntu\nENV D=b\nWORKDIR /a\nWORKDIR $D\nRUN pwd\nWORKDIR /c")

    assert [step.command.split()[-1] for step in planned.steps if "mkdir" in step.command] == ["/a", "/a/b", "/c"]
    assert planned.steps[2].command.startswith("cd /a/b &&")


def test_users_are_for_what_follows() -> None:
    planned = _plan("FROM ubuntu\nRUN a\nUSER user:group\nRUN b\nWORKDIR /x\nUSER root\nRUN c")

    assert [step.user for step in planned.steps] == ["root", "user", "root", "root"]


@pytest.mark.parametrize(
    ("lines", "printed"),
    [
        ("RUN echo $0 'a  b' && \\\n  echo c", "/bin/sh a  b\nc\n"),
        ('RUN ["printf", "%s|", "a b", "$A"]', "a b|$A|"),
        ("RUN <<E\necho 1\necho 2\nE", "1\n2\n"),
        ("RUN cat <<E && echo after\n$A b\nE", "1 b\nafter\n"),
        ("RUN cat <<'E'\n$A b\nE", "$A b\n"),
        ('SHELL ["bash", "-c"]\nRUN echo ${A/1/x}', "x\n"),
        ("RUN --network=none pwd", "/\n"),
    ],
)
def test_commands_do_what_they_say(lines: str, printed: str) -> None:
    assert _output(_step(f"ENV A=1\n{lines}")) == printed


def test_what_means_nothing_to_a_devbox_is_accepted() -> None:
    text = 'CMD ["x"]\nENTRYPOINT x\nLABEL a=b\nEXPOSE 80\nVOLUME /v\nSTOPSIGNAL 9\nHEALTHCHECK NONE\nMAINTAINER me'

    assert _plan(f"FROM ubuntu\n{text}").steps == ()


@given(st.lists(st.tuples(st.sampled_from(KEYWORDS), st.sampled_from(ARGUMENTS) | st.text())))
def test_anything_is_planned_or_refused(lines: list[tuple[str, str]]) -> None:
    text = "\n".join(["FROM ubuntu", *(" ".join(line) for line in lines)])
    with suppress(DockerfileError):
        _plan(text)

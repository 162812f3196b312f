"""``--runloop-target``, ``PYTEST_RUNLOOP_TARGET`` and ``runloop_target``: which wins, and what the header says."""

from __future__ import annotations

import pytest


def header(empty_project: pytest.Pytester, *arguments: str) -> str:
    result = empty_project.runpytest_inprocess("--collect-only", *arguments)
    return next(line for line in result.outlines if line.startswith("runloop:"))


def test_without_a_key_auto_is_the_emulator(empty_project: pytest.Pytester) -> None:
    assert header(empty_project) == "runloop: target auto (default) -> emulator"


def test_with_a_key_auto_is_live(empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNLOOP_API_KEY", "ak_secret")

    assert header(empty_project) == "runloop: target auto (default) -> live at api.runloop.ai"


def test_an_empty_key_is_no_key(empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNLOOP_API_KEY", "")

    assert header(empty_project) == "runloop: target auto (default) -> emulator"


def test_the_header_names_another_host_without_its_credentials(
    empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNLOOP_API_KEY", "ak_secret")
    monkeypatch.setenv("RUNLOOP_BASE_URL", "http://me:secret@127.0.0.1:8080/")

    assert header(empty_project) == "runloop: target auto (default) -> live at 127.0.0.1:8080"


def test_the_command_line_wins_over_the_environment_which_wins_over_ini(
    empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_project.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nrunloop_target = replay\n")
    assert header(empty_project) == "runloop: target replay (ini runloop_target)"

    monkeypatch.setenv("PYTEST_RUNLOOP_TARGET", "emulator")
    assert header(empty_project) == "runloop: target emulator (PYTEST_RUNLOOP_TARGET)"

    assert header(empty_project, "--runloop-target=live") == "runloop: target live (--runloop-target) at api.runloop.ai"


def test_an_empty_environment_variable_is_none(empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_RUNLOOP_TARGET", "")

    assert header(empty_project) == "runloop: target auto (default) -> emulator"


@pytest.mark.parametrize("source", ["--runloop-target", "PYTEST_RUNLOOP_TARGET", "ini runloop_target"])
def test_a_bad_value_names_where_it_came_from(
    empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    arguments = []
    if source.startswith("--"):
        arguments = [f"{source}=moon"]
    elif source.startswith("ini"):
        empty_project.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nrunloop_target = moon\n")
    else:
        monkeypatch.setenv(source, "moon")

    result = empty_project.runpytest_inprocess(*arguments)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"ERROR: runloop_target: 'moon' is not one of auto, live, replay, emulator (from {source})"]
    )


def test_help_can_be_read_in_spite_of_a_bad_value(
    empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_RUNLOOP_TARGET", "moon")

    result = empty_project.runpytest_inprocess("--help")

    assert result.ret == 0
    result.stdout.fnmatch_lines(["*--runloop-target=auto|live|replay|emulator*", "*runloop_target (string):*"])


def test_the_marker_and_the_fixtures_explain_themselves(empty_project: pytest.Pytester) -> None:
    markers = empty_project.runpytest_inprocess("--markers")
    fixtures = empty_project.runpytest_inprocess("--fixtures")

    markers.stdout.fnmatch_lines(["@pytest.mark.runloop([*], blueprint, *, scope): describe the sandbox *"])
    for name in ("sandbox", "root_sandbox", "sandbox_factory", "defaults", "spec", "endpoint", "provisioner"):
        fixtures.stdout.re_match_lines([rf"runloop_{name}( \[session scope\])? -- .*fixtures.py:\d+"])
    fixtures.stdout.no_fnmatch_line("*_runloop_*_pool*")

"""The options: which of flag, environment and ini wins, what is wrong with a value, and what the header says."""

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
    assert header(empty_project) == "runloop: target replay (ini runloop_target), needs no key"

    monkeypatch.setenv("PYTEST_RUNLOOP_TARGET", "emulator")
    assert header(empty_project) == "runloop: target emulator (PYTEST_RUNLOOP_TARGET)"

    assert header(empty_project, "--runloop-target=live") == "runloop: target live (--runloop-target) at api.runloop.ai"


def test_an_empty_environment_variable_is_none(empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_RUNLOOP_TARGET", "")

    assert header(empty_project) == "runloop: target auto (default) -> emulator"


def test_the_header_names_what_else_was_chosen(empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_RUNLOOP_MAX_DEVBOXES", "3")
    empty_project.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nrunloop_max_age = 12h\n")

    assert header(empty_project, "--runloop-fresh") == (
        "runloop: target auto (default) -> emulator, fresh (--runloop-fresh), "
        "prepared at most 12h ago (ini runloop_max_age), at most 3 devboxes at once (PYTEST_RUNLOOP_MAX_DEVBOXES)"
    )


@pytest.mark.parametrize(
    ("ini", "argument"),
    [("runloop_fresh = no", ""), ("runloop_max_devboxes = 3", "--runloop-max-devboxes=none")],
)
def test_the_header_does_not_name_what_makes_no_difference(
    empty_project: pytest.Pytester, ini: str, argument: str
) -> None:
    empty_project.makeini(f"[pytest]\nasyncio_default_fixture_loop_scope = function\n{ini}\n")

    assert header(empty_project, *argument.split()) == "runloop: target auto (default) -> emulator"


def test_a_toml_file_holds_strings_and_a_list(empty_project: pytest.Pytester) -> None:
    (empty_project.path / "tox.ini").unlink()
    empty_project.makepyprojecttoml(
        """
        [tool.pytest]
        asyncio_default_fixture_loop_scope = "function"
        runloop_fresh = "true"
        runloop_max_devboxes = "3"
        runloop_blueprints = ["mine = Dockerfile"]
        """
    )

    assert header(empty_project).endswith(
        "fresh (ini runloop_fresh), at most 3 devboxes at once (ini runloop_max_devboxes)"
    )


def test_another_type_in_a_toml_file_is_named(empty_project: pytest.Pytester) -> None:
    (empty_project.path / "tox.ini").unlink()
    empty_project.makepyprojecttoml(
        """
        [tool.pytest]
        asyncio_default_fixture_loop_scope = "function"
        runloop_max_devboxes = 3
        """
    )

    result = empty_project.runpytest_inprocess()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *config option 'runloop_max_devboxes' expects a string, got int: 3"])


@pytest.mark.parametrize(
    ("ini", "complaint"),
    [
        ("runloop_fresh = perhaps", "runloop_fresh: 'perhaps' is not one of yes, true, * (from ini runloop_fresh)"),
        ("runloop_max_age = 7w", "runloop_max_age: '7w' is not an age, such as 7d, 12h, 90m, or seconds (from ini *)"),
        (
            "runloop_max_devboxes = many",
            "runloop_max_devboxes: 'many' is not a whole number, at least 1, or none (from *)",
        ),
        ("runloop_max_devboxes = 0", "runloop_max_devboxes: '0' is not a whole number, at least 1, or none (from *)"),
        ("runloop_blueprints = mine", "runloop_blueprints: 'mine' is not a line such as name = path* (from *)"),
    ],
)
def test_a_value_that_makes_no_sense_says_what_would(empty_project: pytest.Pytester, ini: str, complaint: str) -> None:
    empty_project.makeini(f"[pytest]\nasyncio_default_fixture_loop_scope = function\n{ini}\n")

    result = empty_project.runpytest_inprocess()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {complaint}"])


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
    result.stdout.fnmatch_lines(
        [
            *("*--runloop-target=auto|live|replay|emulator*", "*--runloop-fresh *", "*--runloop-max-age=AGE*"),
            *("*--runloop-max-devboxes=N*", "*--runloop-blueprints=NAME=DOCKERFILE*"),
            *("*runloop_target (string):*", "*runloop_fresh (string):*", "*runloop_max_age (string):*"),
            *("*runloop_max_devboxes (string):*", "*runloop_blueprints (linelist):*"),
        ]
    )


def test_the_marker_and_the_fixtures_explain_themselves(empty_project: pytest.Pytester) -> None:
    markers = empty_project.runpytest_inprocess("--markers")
    fixtures = empty_project.runpytest_inprocess("--fixtures")

    markers.stdout.fnmatch_lines(["@pytest.mark.runloop([*], blueprint, *, scope): describe the sandbox *"])
    ours = ("sandbox", "root_sandbox", "sandbox_factory", "defaults", "spec", "endpoint", "provisioner", "preparations")
    for name in ("suspended_snapshot", "suspended_root_snapshot", *(f"runloop_{name}" for name in ours)):
        fixtures.stdout.re_match_lines([rf"{name}( \[session scope\])? -- .*fixtures.py:\d+"])
    fixtures.stdout.no_fnmatch_line("*_runloop_*_pool*")

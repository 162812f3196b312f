"""Cassettes of tests: when they are recorded, kept, replayed and found missing; against a model on this computer."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ASKS = """
    import os
    import httpx

    URL = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")

    def ask(what):
        return httpx.get(f"{URL}/models/{what}").text
"""
REPLAY = "--runloop-target=replay"
RECORD = ("--runloop-target=emulator", "--runloop-record=once")
ALL = ("--runloop-target=emulator", "--runloop-record=all")
VERIFY = ("--runloop-target=emulator", "--runloop-record=verify")


class Model(http.server.BaseHTTPRequestHandler):
    """Answers every question with its number."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = json.dumps({"answer": len(self.asked)}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base
        """Say nothing."""


@pytest.fixture(scope="module")
def _studio() -> None:
    """Load what takes long for good; what a run in process imports is forgotten after it."""
    import httpcore  # noqa: F401
    import httpcore2  # noqa: F401
    import httpx  # noqa: F401
    import httpx2  # noqa: F401

    from pytest_runloop.cassettes.traffic import other_clients, studio  # noqa: F401


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the model was asked."""
    seen: list[str] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Model,), {"asked": seen}))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
    yield seen
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def project(
    empty_project: pytest.Pytester, asked: list[str], monkeypatch: pytest.MonkeyPatch, _studio: None
) -> pytest.Pytester:
    """A project whose replays can't start anything."""
    monkeypatch.setenv("PYTEST_RUNLOOP_STATE", "/dev/null/nowhere")
    return empty_project


@pytest.fixture
def write(project: pytest.Pytester) -> Callable[[str], None]:
    """Write a module of tests that ask the model."""

    def write(body: str) -> None:
        project.makepyfile(test_it=f"{ASKS}\n{body}")

    return write


def cassettes() -> list[str]:
    return sorted(path.relative_to("cassettes").as_posix() for path in Path("cassettes").rglob("*.json"))


TWO = """
    def test_one():
        assert "answer" in ask("one")

    def test_two():
        assert "answer" in ask("two")

    def test_none(): ...
"""


def test_each_test_has_a_cassette_and_replays_alone(
    project: pytest.Pytester, write: Callable[[str], None], asked: list[str]
) -> None:
    write(TWO)

    recorded = project.runpytest_inprocess(*RECORD)
    replayed = project.runpytest_inprocess(REPLAY)
    alone = project.runpytest_inprocess(REPLAY, "-k", "two")

    assert cassettes() == ["test_it/test_one.json", "test_it/test_two.json"]
    recorded.stdout.fnmatch_lines(["=* runloop: 2 tests recorded, 2 cassettes written =*"])
    replayed.assert_outcomes(passed=3)
    replayed.stdout.fnmatch_lines(
        ["runloop: target replay (--runloop-target), needs no key", "=* runloop: 2 tests replayed =*"]
    )
    alone.assert_outcomes(passed=1, deselected=2)
    assert asked == ["/v1/models/one", "/v1/models/two"]


def test_what_has_a_cassette_is_not_recorded_again_unless_all_is(
    project: pytest.Pytester, write: Callable[[str], None], asked: list[str]
) -> None:
    write(TWO)
    project.runpytest_inprocess(*RECORD, "-k", "one")

    once = project.runpytest_inprocess(*RECORD)
    every = project.runpytest_inprocess(*ALL)

    once.stdout.fnmatch_lines(["=* runloop: 1 test replayed, 1 test recorded, 1 cassette written =*"])
    every.stdout.fnmatch_lines(["=* runloop: 2 tests recorded, 2 cassettes written =*"])
    assert asked == [f"/v1/models/{name}" for name in ("one", "two", "one", "two")]


def test_a_failed_recording_leaves_the_old_cassette_as_it_was(
    project: pytest.Pytester, write: Callable[[str], None]
) -> None:
    write('    def test_it():\n        assert ask("it")')
    project.runpytest_inprocess(*RECORD)
    old = Path("cassettes/test_it/test_it.json").read_bytes()

    for body in ('assert not ask("it")', 'ask("other")\n        raise SystemExit'):
        write(f"    def test_it():\n        {body}")
        project.runpytest_inprocess(*ALL)
    write('    import pytest\n    def test_it(request):\n        ask("it"), request.addfinalizer(lambda: 1 / 0)')
    result = project.runpytest_inprocess(*ALL)

    result.assert_outcomes(passed=1, errors=1)
    assert Path("cassettes/test_it/test_it.json").read_bytes() == old


def test_an_expected_failure_is_recorded(project: pytest.Pytester, write: Callable[[str], None]) -> None:
    write('    import pytest\n    @pytest.mark.xfail\n    def test_it():\n        assert not ask("it")')

    project.runpytest_inprocess(*RECORD)
    result = project.runpytest_inprocess(REPLAY)

    result.assert_outcomes(xfailed=1)


@pytest.mark.parametrize(
    "body",
    [
        'def test_it():\n        ask("it")',
        'def test_it():\n        try: ask("it")\n        except BaseException: pass',
        '@pytest.fixture\n    def fixture(): ask("it")\n    def test_it(fixture): ...',
        '@pytest.mark.xfail\n    def test_it():\n        ask("it")',
        '@pytest.fixture\n    def fixture(): yield ask("it")\n    @pytest.mark.xfail\n    def test_it(fixture): ...',
    ],
)
def test_what_was_never_recorded_fails_with_the_command_that_does(
    project: pytest.Pytester, write: Callable[[str], None], body: str
) -> None:
    write(f"    import pytest\n    {body}")

    result = project.runpytest_inprocess(REPLAY)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) + outcomes.get("error", 0) == 1
    result.stdout.fnmatch_lines(["*pytest --runloop-target=emulator --runloop-record=once test_it.py::test_it*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_the_command_is_typed_as_from_here(
    project: pytest.Pytester, write: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("""
    def test_it():
        ask("one")
    """)
    project.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    monkeypatch.chdir(project.mkdir("docs"))

    result = project.runpytest_inprocess(REPLAY, "../test_it.py")

    result.stdout.fnmatch_lines(["*pytest --runloop-target=emulator --runloop-record=once ../test_it.py::test_it"])


def test_a_fixture_that_was_recorded_for_another_test_is_told_with_the_command(
    project: pytest.Pytester, write: Callable[[str], None]
) -> None:
    write("""
    import pytest

    @pytest.fixture(scope="module")
    def model():
        return ask("begin")

    def test_one(model):
        ask("one")

    def test_two(model):
        ask("two")
    """)
    project.runpytest_inprocess(*RECORD, "-k", "two").assert_outcomes(passed=1, deselected=1)

    refused = project.runpytest_inprocess(*RECORD, "-p", "no:cacheprovider")

    # No error beside it, such as of plugins that have not begun.
    refused.assert_outcomes(passed=1, errors=1)
    (command,) = (line.split()[1:] for line in refused.outlines if line.startswith("  pytest "))
    assert command == [*ALL, "test_it.py"]
    project.runpytest_inprocess(*command).assert_outcomes(passed=2)
    project.runpytest_inprocess(REPLAY).assert_outcomes(passed=2)


def test_a_refusal_in_teardown_fails_the_test(project: pytest.Pytester, write: Callable[[str], None]) -> None:
    write(
        """
    import pytest

    @pytest.fixture
    def late():
        yield
        ask("late")

    def test_it(late): ...
    """
    )

    result = project.runpytest_inprocess(REPLAY)

    result.assert_outcomes(passed=1, errors=1)


def test_what_a_refusal_leads_to_is_not_told_as_well(project: pytest.Pytester, write: Callable[[str], None]) -> None:
    write(
        """
    import pytest
    from pytest_runloop import TeardownError

    @pytest.fixture
    def late():
        yield
        try:
            ask("late")
        except BaseException as error:
            raise TeardownError("left behind") from None

    def test_it(late):
        ask("it")
    """
    )

    result = project.runpytest_inprocess(REPLAY)

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*left behind*")


def test_what_was_not_asked_for_fails_a_passing_test(project: pytest.Pytester, write: Callable[[str], None]) -> None:
    write('    def test_it():\n        ask("one"), ask("two")')
    project.runpytest_inprocess(*RECORD)
    write('    def test_it():\n        ask("one")')

    result = project.runpytest_inprocess(REPLAY)
    project.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def runloop_cassette_config():
            return {"unplayed": "ignore"}
        """
    )
    ignored = project.runpytest_inprocess(REPLAY)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*two*"])
    ignored.assert_outcomes(passed=1)


def test_a_changed_request_fails(project: pytest.Pytester, write: Callable[[str], None]) -> None:
    write('    def test_it():\n        ask("one")')
    project.runpytest_inprocess(*RECORD)
    write('    def test_it():\n        ask("two")')

    result = project.runpytest_inprocess(REPLAY)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*pytest --runloop-target=emulator --runloop-record=all test_it.py::test_it*"])


def test_verify_lists_what_differs_and_writes_nothing(project: pytest.Pytester, write: Callable[[str], None]) -> None:
    write('    def test_it():\n        ask("one")')
    project.runpytest_inprocess(*RECORD)
    old = Path("cassettes/test_it/test_it.json").read_bytes()

    result = project.runpytest_inprocess(*VERIFY)

    result.assert_outcomes(passed=1, errors=1)
    assert Path("cassettes/test_it/test_it.json").read_bytes() == old


def test_a_fixture_of_the_module_has_a_cassette_of_its_own(
    project: pytest.Pytester, write: Callable[[str], None]
) -> None:
    write(
        """
    import pytest

    @pytest.fixture(scope="module")
    def model():
        yield ask("begin")
        ask("end")

    def test_one(model):
        assert "answer" in model

    def test_two(model):
        assert "answer" in model
    """
    )
    project.runpytest_inprocess(*RECORD)

    alone = project.runpytest_inprocess(REPLAY, "-k", "two")
    both = project.runpytest_inprocess(REPLAY)

    alone.assert_outcomes(passed=1, deselected=1)
    both.assert_outcomes(passed=2)
    assert [name for name in cassettes() if "test_one" in name or "test_two" in name] == []


def test_the_first_test_hit_by_a_fixture_s_refusal_tells_it_in_full(
    project: pytest.Pytester, write: Callable[[str], None]
) -> None:
    write(
        """
    import pytest

    @pytest.fixture(scope="module")
    def model():
        return ask("begin")

    def test_one(model): ...
    def test_two(model): ...
    """
    )

    result = project.runpytest_inprocess(REPLAY)

    result.assert_outcomes(errors=2)
    full = [line for line in result.outlines if "--runloop-record=once" in line]
    assert len(full) == 1
    result.stdout.fnmatch_lines(["refused like test_it.py::test_one, whose report says what and why"])


@pytest.mark.parametrize("arguments", [["-n2"], ["-x"], ["--lf"], ["-k", "t"], ["-p", "no:cacheprovider"]])
def test_a_replay_is_the_same_under(
    project: pytest.Pytester, write: Callable[[str], None], arguments: list[str], asked: list[str]
) -> None:
    write(TWO)
    project.runpytest_inprocess(*RECORD)

    result = project.runpytest_inprocess(REPLAY, *arguments)

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["=* runloop: 2 tests replayed =*"])
    assert len(asked) == 2


def test_workers_record(project: pytest.Pytester, write: Callable[[str], None]) -> None:
    write(TWO)

    result = project.runpytest_inprocess(*RECORD, "-n2")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["=* runloop: 2 tests recorded, 2 cassettes written =*"])


def test_the_environment_is_as_it_was_after_a_replay(
    project: pytest.Pytester, write: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "0")
    write(
        """
    def test_it():
        assert os.environ["OPENAI_API_KEY"] and os.environ["RUNLOOP_API_KEY"]
        assert os.environ["OPENAI_AGENTS_DISABLE_TRACING"] == "1"
    """
    )

    result = project.runpytest_inprocess(REPLAY)

    result.assert_outcomes(passed=1)
    assert "OPENAI_API_KEY" not in os.environ
    assert "RUNLOOP_API_KEY" not in os.environ
    assert os.environ["OPENAI_AGENTS_DISABLE_TRACING"] == "0"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{'host': []}", "runloop_cassette_config: 'host' is not one of vcr, configure, hosts,*"),
        ("{'hosts': 'a'}", "runloop_cassette_config: hosts: 'a' is not a list of host names*"),
        ("{'volatile': ['(']}", "runloop_cassette_config: volatile: '(' is not a regular expression*"),
        ("{'secrets': {'A': 'x-y-z'}}", "runloop_cassette_config: secrets: the value of 'A' is so short*"),
        ("{'unplayed': 'no'}", "runloop_cassette_config: unplayed: 'no' is not fail or ignore"),
        ("[]", "runloop_cassette_config: it gave a list; return a mapping*"),
    ],
)
def test_a_mistake_in_the_configuration_names_its_key(
    project: pytest.Pytester, write: Callable[[str], None], config: str, message: str
) -> None:
    project.makeconftest(
        f"import pytest\n@pytest.fixture(scope='session')\ndef runloop_cassette_config(): return {config}"
    )
    write("    def test_it(): ...")

    result = project.runpytest_inprocess(REPLAY)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])


def test_no_run_without_cassettes_asks_for_the_configuration(
    project: pytest.Pytester, write: Callable[[str], None]
) -> None:
    write("    def test_it(request): assert '_runloop_studio' not in request.fixturenames")

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)


def test_a_refusal_leaves_nothing_of_a_test_to_the_next(project: pytest.Pytester, write: Callable[[str], None]) -> None:
    write(
        """
    import pytest

    @pytest.fixture
    def own(request):
        return request.node.name

    @pytest.fixture
    def late(own):
        yield
        ask("late")

    def test_one(late): ...
    def test_two(late, own): assert own == "test_two"
    """
    )

    result = project.runpytest_inprocess(REPLAY)

    result.assert_outcomes(passed=2, errors=2)


SKIPS = """
    import pytest

    def test_asks():
        ask("first")
        pytest.skip("no more")

    @pytest.mark.skipif("os.environ.get('SKIP')")
    def test_it():
        ask("it")
"""


def test_what_a_test_sent_before_it_skipped_itself_is_recorded(
    project: pytest.Pytester, write: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(SKIPS)
    project.runpytest_inprocess(*RECORD)

    replayed = project.runpytest_inprocess(REPLAY)
    monkeypatch.setenv("SKIP", "1")
    skipped = project.runpytest_inprocess(REPLAY)
    project.runpytest_inprocess(*ALL)

    replayed.assert_outcomes(passed=1, skipped=1)
    skipped.assert_outcomes(skipped=2)
    assert cassettes() == ["test_it/test_asks.json", "test_it/test_it.json"]


def test_a_test_that_sends_nothing_any_more_is_told_and_loses_its_cassette_when_recorded(
    project: pytest.Pytester, write: Callable[[str], None]
) -> None:
    write('    def test_it():\n        ask("one")')
    project.runpytest_inprocess(*RECORD)
    write("    def test_it(): ...")

    replayed = project.runpytest_inprocess(REPLAY)
    verified = project.runpytest_inprocess(*VERIFY)
    assert cassettes() == ["test_it/test_it.json"]
    project.runpytest_inprocess(*ALL)

    for result, words in ((replayed, "recorded, but not asked for any more:"), (verified, "this differs from *:")):
        result.assert_outcomes(passed=1, errors=1)
        result.stdout.fnmatch_lines(
            [f"test_it.py::test_it: {words}", "    pytest * --runloop-record=all test_it.py::test_it"]
        )
    assert cassettes() == []
    project.runpytest_inprocess(REPLAY).assert_outcomes(passed=1)


def test_cassettes_of_other_plugins_for_a_test_are_left_alone(
    project: pytest.Pytester, write: Callable[[str], None]
) -> None:
    write("    def test_it(): ...")
    other = Path("cassettes/test_it/test_it.yaml")
    other.parent.mkdir(parents=True)
    other.write_text(
        "interactions:\n- request: {method: GET, uri: 'http://a.example/', body: null, headers: {}}\n"
        "  response: {status: {code: 200, message: OK}, headers: {}, body: {string: a}}\nversion: 1\n"
    )

    for arguments in ((REPLAY,), ALL, VERIFY):
        project.runpytest_inprocess(*arguments).assert_outcomes(passed=1)
    assert other.exists()

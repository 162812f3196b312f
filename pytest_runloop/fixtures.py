"""The fixtures: each hands one thing of the core to a test, and takes it back.

Names without an underscore are for tests to use and for projects to override.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from pytest_runloop.errors import RunloopPluginError, TargetError
from pytest_runloop.factory import SandboxFactory
from pytest_runloop.markers import as_root, spec_for
from pytest_runloop.options import LENT, PREPARATIONS, PROVISIONERS, SETTINGS, WIRING
from pytest_runloop.outcomes import outcome_of
from pytest_runloop.sharing import UNRECORDED, Loan, SandboxPool, Shelf
from pytest_runloop.spec import SandboxSpec
from pytest_runloop.target import Endpoint

if TYPE_CHECKING:
    from pytest_runloop.preparation import Preparations, SuspendedSnapshot
    from pytest_runloop.provisioning import Provisioner
    from pytest_runloop.sandbox.handle import Sandbox

_T = TypeVar("_T")


@pytest.fixture
def runloop_sandbox(request: pytest.FixtureRequest, runloop_spec: SandboxSpec) -> Sandbox:
    """A sandbox with the account "user" in /home/user, as @pytest.mark.runloop(...) describes it."""
    return _shared(request, runloop_spec)


@pytest.fixture
def runloop_root_sandbox(request: pytest.FixtureRequest, runloop_spec: SandboxSpec) -> Sandbox:
    """A sandbox with the account root in /root, as @pytest.mark.runloop(...) describes it, user_parameters aside."""
    return _shared(request, as_root(runloop_spec))


@pytest.fixture
def runloop_sandbox_factory(request: pytest.FixtureRequest, runloop_spec: SandboxSpec) -> SandboxFactory:
    """Make several sandboxes in one test: factory(user="root", env_vars={...}) takes the mark's arguments.

    Each call makes a new one, starting from the test's marks. All are deleted when the test ends, last made first.
    In an async test, use ``await factory.aio(...)``.
    """
    return SandboxFactory(runloop_spec, pool=_pool(request, "function"), lend=partial(_lend, request))


@pytest.fixture
def suspended_snapshot(request: pytest.FixtureRequest, runloop_spec: SandboxSpec) -> Iterator[SuspendedSnapshot]:
    """What @pytest.mark.runloop(setup=...) describes, prepared once for all runs: fork() copies, or resume() it."""
    yield from _prepared(request, runloop_spec)


@pytest.fixture
def suspended_root_snapshot(request: pytest.FixtureRequest, runloop_spec: SandboxSpec) -> Iterator[SuspendedSnapshot]:
    """The same with the account root in /root, user_parameters aside; setup runs as root."""
    yield from _prepared(request, as_root(runloop_spec))


@pytest.fixture(scope="session")
def runloop_defaults() -> Mapping[str, object]:
    """Override this to give all sandboxes of a project, folder or module the same start: arguments of the mark."""
    return {}


@pytest.fixture
def runloop_spec(request: pytest.FixtureRequest, runloop_defaults: Mapping[str, object]) -> SandboxSpec:
    """What this test asks for: runloop_defaults and its marks, merged. Override it to decide by program."""
    with _plainly(request):
        return spec_for(request.node, defaults=runloop_defaults)


@pytest.fixture(scope="session")
def runloop_endpoint(request: pytest.FixtureRequest) -> Endpoint:
    """Where requests go: the base URL and key of the run's target. Override it to use a server of your own."""
    return request.config.stash[WIRING].endpoint()


@pytest.fixture(scope="session")
def runloop_cassette_config() -> Mapping[str, object]:
    """Override this in the rootdir's conftest.py to say what of a project's recordings is volatile, secret or else."""
    return {}


@pytest.fixture(scope="session")
def _runloop_studio(request: pytest.FixtureRequest, runloop_cassette_config: Mapping[str, object]) -> None:
    """Look at all traffic of this process from now on; the first test of a run that records or replays asks for it."""
    with _plainly(request):
        request.config.stash[WIRING].now.open_studio(runloop_cassette_config)


@pytest.fixture(scope="session")
def runloop_provisioner(request: pytest.FixtureRequest, runloop_endpoint: Endpoint) -> Iterator[Provisioner]:
    """Make and delete sandboxes for all tests of this process; for a fixture of your own with another scope."""
    with _plainly(request), closing(request.config.stash[WIRING].provisioner(runloop_endpoint)) as provisioner:
        yield provisioner


@pytest.fixture(scope="session")
def runloop_preparations(request: pytest.FixtureRequest, runloop_provisioner: Provisioner) -> Iterator[Preparations]:
    """Find or make prepared sandboxes for all tests of this process; for a fixture of your own with another scope."""
    preparations = request.config.stash[WIRING].preparations(runloop_provisioner, cache_dir=_cache_dir(request.config))
    with _plainly(request), closing(preparations):
        yield preparations


@pytest.fixture(scope="session")
def _runloop_played(request: pytest.FixtureRequest) -> Iterator[tuple[Provisioner, Preparations]]:
    """Make and find sandboxes for the tests that are replayed, in a run in which others are not."""
    wiring = request.config.stash[WIRING].now
    with _plainly(request), closing(wiring.provisioner(wiring.endpoint())) as provisioner:
        preparations = wiring.preparations(provisioner, cache_dir=None)
        with closing(preparations):
            yield provisioner, preparations


def _sandbox_pool(
    request: pytest.FixtureRequest, runloop_provisioner: Provisioner, runloop_preparations: Preparations
) -> Iterator[SandboxPool]:
    _remember(request.config.stash[PROVISIONERS], runloop_provisioner)
    _remember(request.config.stash[PREPARATIONS], runloop_preparations)
    yield from _filled(request, runloop_provisioner, runloop_preparations)


def _played_pool(
    request: pytest.FixtureRequest, _runloop_played: tuple[Provisioner, Preparations]
) -> Iterator[SandboxPool]:
    yield from _filled(request, *_runloop_played)


def _filled(
    request: pytest.FixtureRequest, provisioner: Provisioner, preparations: Preparations
) -> Iterator[SandboxPool]:
    dockerfiles = request.config.stash[SETTINGS].dockerfiles(root=request.config.rootpath)
    pool = SandboxPool(
        provisioner,
        preparations=preparations,
        dockerfiles=dockerfiles,
        shelf=_shelf(request),
        asked=_asked(request),
    )
    with _plainly(request), closing(pool):
        yield pool


_runloop_function_pool = pytest.fixture(scope="function", name="_runloop_function_pool")(_sandbox_pool)
_runloop_class_pool = pytest.fixture(scope="class", name="_runloop_class_pool")(_sandbox_pool)
_runloop_module_pool = pytest.fixture(scope="module", name="_runloop_module_pool")(_sandbox_pool)
_runloop_session_pool = pytest.fixture(scope="session", name="_runloop_session_pool")(_sandbox_pool)
_runloop_played_function_pool = pytest.fixture(scope="function", name="_runloop_played_function_pool")(_played_pool)
_runloop_played_class_pool = pytest.fixture(scope="class", name="_runloop_played_class_pool")(_played_pool)
_runloop_played_module_pool = pytest.fixture(scope="module", name="_runloop_played_module_pool")(_played_pool)
_runloop_played_session_pool = pytest.fixture(scope="session", name="_runloop_played_session_pool")(_played_pool)


def _prepared(request: pytest.FixtureRequest, spec: SandboxSpec) -> Iterator[SuspendedSnapshot]:
    pool = _pool(request, "function")
    outcome = outcome_of(request.node)
    with _plainly(request):
        snapshot = pool.prepare(spec, failed=outcome.failed, lend=partial(_lend, request))
        with closing(snapshot):
            yield snapshot
            outcome.end()


def _shelf(request: pytest.FixtureRequest) -> Shelf:
    recorder = request.config.stash[WIRING].now.recorder
    if recorder is None or request.scope == "function":
        return UNRECORDED
    from pytest_runloop.recording.scoped import ScopeShelf

    return ScopeShelf(recorder, scope=request.scope, node=request.node.nodeid)


def _asked(request: pytest.FixtureRequest) -> Callable[[SandboxSpec], object]:
    """Return what takes down which sandboxes a test asks for."""
    recorder = request.config.stash[WIRING].now.recorder
    if recorder is None:
        return lambda _: None
    from pytest_runloop.recording.scoped import note

    return partial(note, recorder)


def _shared(request: pytest.FixtureRequest, spec: SandboxSpec) -> Sandbox:
    pool = _pool(request, spec.scope.value)
    with _plainly(request):
        sandbox = pool.share(spec)
    return _lend(request, sandbox)


def _lend(request: pytest.FixtureRequest, sandbox: Sandbox) -> Sandbox:
    """Know the sandbox while the test holds it: a failure shows what the test ran in it."""
    lent = request.config.stash[LENT]
    lent.append(Loan.of(sandbox))
    request.addfinalizer(lent.clear)
    return sandbox


def _pool(request: pytest.FixtureRequest, scope: str) -> SandboxPool:
    _require_asyncio(request)
    wiring = request.config.stash[WIRING]
    played = "" if wiring.now is wiring else "played_"
    with _plainly(request):
        # Asked for by name, because the scope is known only now, and because a wrong mark must not start anything.
        pool: SandboxPool = request.getfixturevalue(f"_runloop_{played}{scope}_pool")
    return pool


def _require_asyncio(request: pytest.FixtureRequest) -> None:
    """Refuse an async test that another event loop than asyncio runs; a sync test runs under none."""
    if not inspect.iscoroutinefunction(getattr(request, "function", None)) or not _runs_under_trio(request):
        return
    reason = f"{request.node.nodeid}: {request.fixturename} needs asyncio, because the OpenAI Agents SDK does, but "
    reason += "this test runs under trio. Run it under asyncio, for instance with an anyio_backend fixture that "
    pytest.fail(reason + 'returns "asyncio"', pytrace=False)


def _runs_under_trio(request: pytest.FixtureRequest) -> bool:
    if "anyio_backend" in request.fixturenames and request.node.get_closest_marker("anyio") is not None:
        backend = request.getfixturevalue("anyio_backend")
        return "trio" in (backend, backend[0])
    return request.node.get_closest_marker("trio") is not None


@contextmanager
def _plainly(request: pytest.FixtureRequest) -> Iterator[None]:
    """Show our errors to the user by their message alone; with --full-trace also where they came from."""
    try:
        yield
    except RunloopPluginError as error:
        text = _once(request.config, error) if isinstance(error, TargetError) else str(error)
        in_full = request.config.getoption("fulltrace")
        raise pytest.fail.Exception(text, pytrace=in_full) from (error if in_full else None)


def _once(config: pytest.Config, error: TargetError) -> str:
    """Tell the whole story to the first test of the run only: every other test has the same."""
    wiring = config.stash[WIRING]
    if wiring.emulator.claim("target-error"):
        return str(error)
    return f"the {wiring.target.value} target can't be used; the first error of this run says why and what to do"


def _remember(known: list[_T], one: _T) -> None:
    """Keep what counts for the summary, also one that a project made itself."""
    if all(one is not other for other in known):
        known.append(one)


def _cache_dir(config: pytest.Config) -> Path | None:
    """Return our folder in pytest's cache, if there is a cache and it can be written."""
    cache = getattr(config, "cache", None)
    try:
        return None if cache is None else Path(cache.mkdir("runloop"))
    except OSError:
        return None

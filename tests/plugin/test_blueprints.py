"""``blueprint=``: described in the mark, or by a name of the project's own."""

from __future__ import annotations

import pytest

INI = """
    [pytest]
    asyncio_default_fixture_loop_scope = function
    runloop_blueprints =
        tools = docker/tools
        absent = docker/absent
"""


@pytest.fixture
def named(project: pytest.Pytester) -> pytest.Pytester:
    """A project with blueprints of its own."""
    project.makeini(INI)
    project.mkdir("docker").joinpath("tools").write_text("FROM debian\n")
    return project


def test_a_mark_may_describe_one(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from pytest_runloop import Blueprint

        TOOLS = Blueprint(dockerfile="FROM debian", setup_commands=("true",))

        @pytest.mark.runloop(blueprint=TOOLS, name="x")
        def test_it(runloop_sandbox):
            assert runloop_sandbox.spec.blueprint == TOOLS
            assert dict(runloop_sandbox.spec.options) == {"name": "x"}
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)


def test_tests_with_equal_descriptions_share_and_others_don_t(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from pytest_runloop import Blueprint

        pytestmark = pytest.mark.runloop(scope="module")
        seen = []

        @pytest.mark.parametrize("base", [
            pytest.param(base, marks=pytest.mark.runloop(blueprint=Blueprint(base=base))) for base in ("a", "a", "b")
        ])
        def test_it(runloop_sandbox, base):
            seen.append(runloop_sandbox.devbox_id)

        def test_all():
            assert seen == ["dbx_1", "dbx_1", "dbx_2"]
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=4)


@pytest.mark.parametrize("fixture", ["runloop_sandbox", "runloop_root_sandbox"])
@pytest.mark.parametrize("argument", ["blueprint", "blueprint_name"])
def test_a_name_of_the_project_s_own_is_known_to_every_fixture(
    named: pytest.Pytester, argument: str, fixture: str
) -> None:
    named.makepyfile(
        f"""
        import pytest
        from pytest_runloop import Blueprint

        @pytest.mark.runloop({argument}="tools")
        def test_it({fixture}):
            assert {fixture}.spec.blueprint == Blueprint(dockerfile="FROM debian\\n")
            assert not {fixture}.spec.options
        """
    )

    result = named.runpytest_inprocess()

    result.assert_outcomes(passed=1)


def test_a_name_given_later_is_known_as_well(named: pytest.Pytester) -> None:
    named.makepyfile(
        """
        import pytest
        from dataclasses import replace
        from pytest_runloop import Blueprint

        TOOLS = Blueprint(dockerfile="FROM debian\\n")

        @pytest.fixture
        def runloop_spec(runloop_spec):
            return replace(runloop_spec, options={"blueprint_name": "tools"})

        def test_by_program(runloop_sandbox):
            assert runloop_sandbox.spec.blueprint == TOOLS

        def test_in_a_call(runloop_sandbox_factory):
            assert runloop_sandbox_factory(blueprint="tools").spec.blueprint == TOOLS

        def test_prepared(suspended_snapshot):
            assert suspended_snapshot.spec.blueprint == TOOLS
        """
    )

    result = named.runpytest_inprocess()

    result.assert_outcomes(passed=3)


def test_a_dockerfile_that_is_not_there_fails_the_tests_that_want_it(named: pytest.Pytester) -> None:
    named.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.runloop(blueprint="absent")
        def test_wrong(runloop_sandbox): ...

        @pytest.mark.runloop(blueprint="tools")
        def test_right(runloop_sandbox): ...
        """
    )

    result = named.runpytest_inprocess()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["test_it.py::test_wrong: blueprint: 'absent' stands for */docker/absent, which can't be read: No such file *"]
    )

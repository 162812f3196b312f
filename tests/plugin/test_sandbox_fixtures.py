"""The fixtures that hand out sandboxes."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def test_a_sandbox_lives_as_long_as_its_test(project: pytest.Pytester, log: Callable[[], list[str]]) -> None:
    project.makepyfile("def test_one(runloop_sandbox): ...\ndef test_two(runloop_sandbox): ...")

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=2)
    assert log() == ["create dbx_1", "delete dbx_1", "create dbx_2", "delete dbx_2", "close"]


def test_a_test_can_have_a_user_s_and_a_root_s_sandbox(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(user_parameters={"username": "agent", "uid": 1001}, name="x")
        def test_it(runloop_sandbox, runloop_root_sandbox):
            assert runloop_sandbox is not runloop_root_sandbox
            assert runloop_sandbox.spec.user == "user"
            assert runloop_sandbox.spec.options["user_parameters"]["uid"] == 1001
            assert runloop_root_sandbox.spec.user == "root"
            assert dict(runloop_root_sandbox.spec.options) == {"name": "x"}
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)


def test_a_factory_makes_several_and_deletes_the_last_first(
    project: pytest.Pytester, log: Callable[[], list[str]]
) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(metadata={"from": "mark"})
        def test_it(runloop_sandbox_factory):
            one = runloop_sandbox_factory(name="one")
            root = runloop_sandbox_factory(name="root", user="root", metadata=None)
            assert one.spec.user == "user"
            assert dict(one.spec.options) == {"name": "one", "metadata": {"from": "mark"}}
            assert root.spec.user == "root"
            assert dict(root.spec.options) == {"name": "root"}
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)
    assert log() == ["create one", "create root", "delete root", "delete one", "close"]


def test_equal_calls_of_a_factory_make_different_sandboxes(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(scope="module")
        def test_it(runloop_sandbox_factory, runloop_sandbox):
            assert len({runloop_sandbox_factory().devbox_id, runloop_sandbox_factory().devbox_id,
                        runloop_sandbox.devbox_id}) == 3
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nam='x'", "unexpected keyword argument 'nam'; did you mean 'name'?"),
        ("scope='module'", "scope: these sandboxes end with their test; leave scope out"),
        ("user='rot'", "user: 'rot' is not one of user, root"),
    ],
)
def test_a_mistake_in_a_factory_s_call_is_a_spec_error(project: pytest.Pytester, arguments: str, message: str) -> None:
    project.makepyfile(
        f"""
        import pytest
        from pytest_runloop import SpecError

        def test_it(runloop_sandbox_factory):
            with pytest.raises(SpecError) as caught:
                runloop_sandbox_factory({arguments})
            assert str(caught.value).endswith({message!r})
            assert caught.value.field in {arguments!r}
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)


def test_every_sandbox_is_deleted_and_every_failure_told_when_some_deletions_fail(
    project: pytest.Pytester, log: Callable[[], list[str]]
) -> None:
    project.makepyfile(
        """
        def test_it(runloop_sandbox_factory):
            for name in ("first", "sticky_1", "middle", "sticky_2"):
                runloop_sandbox_factory(name=name)
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["devbox sticky_2 could not be deleted (403)", "devbox sticky_1 could not be deleted (403)"]
    )
    assert log()[-3:] == ["delete middle", "delete first", "close"]


def test_a_sandbox_that_can_t_be_made_fails_its_test_with_one_message(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.runloop(name="broken")
        def test_it(runloop_sandbox): ...
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["test_it.py::test_it: the sandbox could not be made ready; nothing is left of it"])
    result.stdout.no_fnmatch_line("*fixtures.py*")


def test_no_test_that_does_not_ask_evaluates_a_fixture_of_ours(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(blueprnt="wrong, and nobody looks")
        def test_it(): ...
        """
    )

    result = project.runpytest_inprocess("--setup-show")

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*SETUP*runloop*")


def test_a_fixture_of_the_project_can_keep_a_sandbox_for_a_scope_of_its_own(
    project: pytest.Pytester, log: Callable[[], list[str]]
) -> None:
    project.makepyfile(
        """
        import pytest
        from pytest_runloop import SandboxSpec

        @pytest.fixture(scope="module")
        def database(runloop_provisioner):
            with runloop_provisioner.provide(SandboxSpec(test="database", options={"name": "db"})) as sandbox:
                yield sandbox

        def test_one(database): ...
        def test_two(database): ...
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=2)
    assert log() == ["create db", "delete db", "close"]

"""``@pytest.mark.runloop``: what it takes, which mark wins, and how a mistake reads."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def test_marks_on_module_class_and_function_merge_and_the_closest_wins(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.runloop(name="module", env_vars={"A": "module"}, metadata={"from": "module"})

        @pytest.mark.runloop(name="class", env_vars={"B": "class"})
        class TestIt:
            @pytest.mark.runloop(name="function")
            def test_it(self, runloop_spec):
                assert dict(runloop_spec.options) == {
                    "name": "function", "env_vars": {"B": "class"}, "metadata": {"from": "module"},
                }
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)


def test_of_two_marks_on_one_function_the_lower_wins(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(name="upper", metadata={"from": "upper"})
        @pytest.mark.runloop(name="lower")
        def test_it(runloop_spec):
            assert dict(runloop_spec.options) == {"name": "lower", "metadata": {"from": "upper"}}
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)


def test_the_mark_of_one_parameter_wins_over_the_function_s(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(name="function")
        @pytest.mark.parametrize("expected", [
            "function",
            pytest.param("parameter", marks=pytest.mark.runloop(name="parameter")),
        ])
        def test_it(runloop_spec, expected):
            assert runloop_spec.options["name"] == expected
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=2)


def test_a_class_s_mark_wins_over_its_base_s(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(name="base", metadata={"from": "base"})
        class Base:
            def test_it(self, runloop_spec):
                assert dict(runloop_spec.options) == {"name": "derived", "metadata": {"from": "base"}}

        @pytest.mark.runloop(name="derived")
        class TestDerived(Base):
            pass
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)


def test_a_closer_blueprint_takes_the_place_of_a_farther_one_however_it_is_named(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.runloop(blueprint_name="far")

        @pytest.mark.runloop(blueprint="bpt_1")
        def test_by_id(runloop_spec):
            assert dict(runloop_spec.options) == {"blueprint_id": "bpt_1"}

        @pytest.mark.runloop(blueprint="near")
        def test_by_name(runloop_spec):
            assert dict(runloop_spec.options) == {"blueprint_name": "near"}

        @pytest.mark.runloop(blueprint=None)
        def test_none(runloop_spec):
            assert dict(runloop_spec.options) == {}
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=3)


def test_project_defaults_come_before_all_marks(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="session")
        def runloop_defaults():
            return {"timeouts": {"create_s": 9}, "name": "default"}

        @pytest.mark.runloop(name="mine")
        def test_it(runloop_sandbox):
            assert dict(runloop_sandbox.spec.options) == {"timeouts": {"create_s": 9}, "name": "mine"}
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)


def test_a_test_without_a_mark_gets_a_plain_sandbox(project: pytest.Pytester) -> None:
    project.makepyfile("def test_it(runloop_sandbox): assert dict(runloop_sandbox.spec.options) == {}")

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)


def test_local_files_start_at_the_test_s_folder(project: pytest.Pytester) -> None:
    project.mkpydir("sub").joinpath("test_it.py").write_text(
        "import pytest\n"
        "from pathlib import Path\n\n"
        "@pytest.mark.runloop(files={'a': Path('data/a.txt'), 'b': 'text'})\n"
        "def test_it(runloop_spec):\n"
        "    assert dict(runloop_spec.files) == {'a': Path(__file__).parent / 'data/a.txt', 'b': 'text'}\n"
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("blueprnt='x'", "unexpected keyword argument 'blueprnt'; did you mean 'blueprint'?"),
        ("'py'", "'py' is positional; name it, as in mark.runloop(blueprint=…)"),
        ("blueprint='x', blueprint_id='bpt_1'", "blueprint and blueprint_id are given*keep one of them"),
        ("exposed_ports=(0,)", "exposed_ports: 0 is not a port; ports are whole numbers from 1 to 65535"),
        ("scope='modul'", "scope: 'modul' is not one of function, class, module, session; did you mean 'module'?"),
        ("env_vars={'A': 1}", "env_vars: the value of 'A' is of type int, not str"),
        ("name='impossible'", "name: 'impossible' can't be had; ask for another"),
    ],
)
def test_a_mistake_fails_its_test_alone_before_anything_is_made(
    project: pytest.Pytester, log: Callable[[], list[str]], arguments: str, message: str
) -> None:
    project.makepyfile(
        test_it=f"""
        import pytest

        @pytest.mark.runloop({arguments})
        def test_wrong(runloop_sandbox): ...

        def test_right(): ...
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"test_it.py::test_wrong: mark.runloop: {message}"])
    assert not [line for line in log() if line != "close"]


def test_a_mistake_is_shown_without_the_plugin_s_frames(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(blueprnt="x")
        def test_wrong(runloop_sandbox): ...
        """
    )

    result = project.runpytest_inprocess()

    result.stdout.no_fnmatch_line("*fixtures.py*")
    result.stdout.no_fnmatch_line("*Traceback*")


def test_full_trace_shows_where_an_error_came_from(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(blueprnt="x")
        def test_wrong(runloop_sandbox): ...
        """
    )

    result = project.runpytest_inprocess("--full-trace")

    result.stdout.fnmatch_lines(["*fields.py*SpecError"])


def test_a_mistake_in_the_defaults_names_the_fixture(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.fixture(scope="session")
        def runloop_defaults():
            return {"env": {}}

        def test_wrong(runloop_sandbox): ...
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["test_it.py::test_wrong: runloop_defaults: unexpected keyword argument 'env'*"])


def test_defaults_that_are_no_mapping_are_refused(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.fixture(scope="session")
        def runloop_defaults(): ...

        def test_wrong(runloop_sandbox): ...
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["test_it.py::test_wrong: runloop_defaults: it gave a NoneType; return a mapping*"])


def test_the_mark_is_registered(project: pytest.Pytester) -> None:
    project.makepyfile("import pytest\n@pytest.mark.runloop(scope='class')\ndef test_it(): ...")

    result = project.runpytest_inprocess("--strict-markers")

    result.assert_outcomes(passed=1)


def test_a_spec_can_be_decided_by_program(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from dataclasses import replace
        import pytest

        @pytest.fixture
        def runloop_spec(runloop_spec):
            return replace(runloop_spec, options={"name": "mine"})

        def test_it(runloop_sandbox):
            assert runloop_sandbox.spec.options == {"name": "mine"}
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)

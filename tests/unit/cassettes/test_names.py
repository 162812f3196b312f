from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_runloop.cassettes.files import names

_pieces = st.sampled_from(
    ["test_a", "Test", "TestX", "testx", "TESTX", "a", "b", "[", "]", "::", ".", "/", "~", "é", "É", " "]
)
_tests = st.lists(_pieces, min_size=1, max_size=6).map("".join) | st.text(min_size=1, max_size=200)
_files = st.sampled_from(
    [
        "test_a.py",
        "test_A.py",
        "test_a.txt",
        "test_a.txt.py",
        "test_a",
        "shared.py",
        "cassettes.py",
        "con.py",
        "tests/test_a.py",
    ]
)
_nodeids = st.builds("{}::{}".format, _files, _tests) | _files


@pytest.mark.parametrize(
    ("nodeid", "path"),
    [
        ("tests/test_a.py::test_x", "tests/cassettes/test_a/test_x.json"),
        ("tests/u/test_a.py::Test::test_x[1]", "tests/u/cassettes/test_a/Test.test_x[1].json"),
        ("test_a.py::TestShell::test_x[a-1.5,b=2]", "cassettes/test_a/TestShell.test_x[a-1.5,b=2].json"),
    ],
)
def test_a_usual_test_gives_its_recording_its_own_name(nodeid: str, path: str) -> None:
    assert names.own(nodeid) == PurePosixPath(path)


@pytest.mark.parametrize(
    "nodeid",
    [
        "test_a.py::test_x[a/b]",
        "test_a.py::test_x[a::b]",
        "test_a.py::test_x[é]",
        "test_a.py::test_x[GET]",
        "test_a.py::test_X",
        "test_a.py::TestFOO::test_x",
        "test_a.py::test_" + "x" * 200,
        "test_a.py::nul",
        "shared.py::test_x",
        "aux.py::test_x",
        "test_a.txt::test_a.txt",
        "test_a.py::test_x[\udc80]",
    ],
)
def test_an_unusual_one_is_marked_and_still_readable(nodeid: str) -> None:
    assert re.search(r"~[0-9a-f]{10}", str(names.own(nodeid)))
    assert names.own(nodeid) == names.own(nodeid)


def test_the_marked_name_says_what_it_is_of() -> None:
    assert re.fullmatch(r"test_x\[a-b\]~[0-9a-f]{10}\.json", names.own("test_a.py::test_x[a/b]").name)


@given(first=_nodeids, second=_nodeids)
def test_two_tests_never_share_a_file_even_where_case_is_ignored(first: str, second: str) -> None:
    paths = [str(names.own(nodeid)).casefold() for nodeid in (first, second)]

    assert (paths[0] == paths[1]) == (first == second)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("t.py::TestFoo::test_x", "t.py::Testfoo::test_x"),
        ("t.py::Foo::test_x", "t.py::foo::test_x"),
        ("t.py::test_x[a]", "t.py::test_x[A]"),
        ("t.py::A::test_x", "t.py::A.test_x"),
        ("t.py::test_x[a/b]", "t.py::test_x[a-b]"),
        ("test_a.py::test_x", "test_A.py::test_x"),
        ("test_a.py::test_x", "test_a.txt::test_x"),
    ],
)
def test_neighbours_stay_apart(one: str, other: str) -> None:
    assert str(names.own(one)).casefold() != str(names.own(other)).casefold()


@given(_nodeids)
def test_every_component_fits_every_file_system(nodeid: str) -> None:
    parts = names.own(nodeid).parts

    assert all(re.fullmatch(r"[A-Za-z0-9_.,=+@\[\]~-]{1,120}", part) for part in parts)
    assert not any(re.match(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)", part) for part in parts)
    assert not any(part.endswith((".", " ")) for part in parts)


@pytest.mark.parametrize(
    ("scope", "node", "path"),
    [
        ("class", "a/b/test_a.py::TestX", "a/b/cassettes/test_a/shared/class-TestX-k1.json"),
        ("class", "test_a.py::TestX::TestY", "cassettes/test_a/shared/class-TestX.TestY-k1.json"),
        ("module", "a/b/test_a.py", "a/b/cassettes/test_a/shared/module-k1.json"),
        ("session", "a/b/test_a.py::test_x", "a/cassettes/shared/session-k1.json"),
        ("session", "test_a.py::test_x", "cassettes/shared/session-k1.json"),
    ],
)
def test_shared_sandboxes_lie_beside_what_shares_them(scope: str, node: str, path: str) -> None:
    assert names.shared(scope, node, "k1") == PurePosixPath(path)


def test_scopes_and_keys_keep_shared_sandboxes_apart() -> None:
    asked = [
        ("module", "t.py", "a"),
        ("module", "t.py", "b"),
        ("class", "t.py::A", "a"),
        ("class", "t.py::a", "a"),
        ("class", "t.py::A::B", "a"),
        ("class", "t.py::AB", "a"),
        ("module", "t.py", "A"),
        ("session", "t.py::x", "a"),
    ]

    assert len({str(names.shared(*one)).casefold() for one in asked}) == len(asked)


def test_preparations_lie_in_the_top_folder() -> None:
    assert names.prepared("examples/deep/test_a.py::test_x", "k1") == PurePosixPath(
        "examples/cassettes/prepared/k1.json"
    )
    assert names.prepared("test_a.py::test_x", "k1") == PurePosixPath("cassettes/prepared/k1.json")

"""Secrets that tests hand to sandboxes: in no file, and other computers replay with others, or with stand-ins."""

from __future__ import annotations

import base64
import urllib.parse
from pathlib import Path

import pytest

from tests.plugin.running import run

EMULATOR, REPLAY = "--runloop-target=emulator", "--runloop-target=replay"
VALUE, MANAGED = "s3cr3t/+Val=ue@x7Q", "m4naged-pw/77+zz="
TESTS = """
    import base64
    import os
    import urllib.parse

    import pytest
    from agents.sandbox import Manifest
    from agents.sandbox.entries import File

    V, M = os.environ["HANDED"], os.environ["MANAGED"]
    WORKSPACE = Manifest(root="/home/user", entries={"m.txt": File(content=f"in {V}".encode())})
    ENV = {"MY_TOKEN": V}

    @pytest.mark.runloop(env_vars=ENV, files={".env": f"value {V}\\n", "raw": b"\\0" + V.encode()})
    def test_everywhere(runloop_sandbox):
        result = runloop_sandbox.exec("echo -n $MY_TOKEN; printenv MY_TOKEN >&2; echo -n $MY_TOKEN | base64 -w0")
        assert result.stdout == V + base64.b64encode(V.encode()).decode()
        assert result.stderr == f"{V}\\n"
        assert runloop_sandbox.exec(["env", f"MY_TOKEN={V}", "printenv", "MY_TOKEN"]).stdout == f"{V}\\n"
        quoted = urllib.parse.quote(V, safe="")
        assert runloop_sandbox.exec(f"echo 'http://h/?q={quoted}'").stdout == f"http://h/?q={quoted}\\n"
        assert runloop_sandbox.read_text(".env") == f"value {V}\\n"
        assert runloop_sandbox.read_bytes("raw") == b"\\0" + V.encode()

    @pytest.mark.runloop(env_vars=ENV, scope="module", files={"a": f"file {V}", "b": V.encode()}, manifest=WORKSPACE)
    def test_shared(runloop_sandbox):
        assert runloop_sandbox.exec("cat m.txt a b").stdout == f"in {V}file {V}{V}"

    @pytest.mark.runloop(env_vars=ENV, setup="echo $MY_TOKEN > kept", files={"a": f"file {V}"}, manifest=WORKSPACE)
    def test_prepared(runloop_sandbox):
        assert runloop_sandbox.exec("cat kept m.txt a").stdout == f"{V}\\nin {V}file {V}"

    @pytest.mark.runloop(managed_secrets={"DB_PASSWORD": M}, scope="module")
    def test_managed(runloop_sandbox):
        assert runloop_sandbox.exec("echo $DB_PASSWORD").stdout == f"{M}\\n"

    @pytest.mark.runloop(managed_secrets={"DB_PASSWORD": M}, setup="echo $DB_PASSWORD > kept")
    def test_managed_prepared(runloop_sandbox):
        assert runloop_sandbox.read_text("kept") == f"{M}\\n"
"""
PLAIN = """
    import pytest

    @pytest.mark.runloop(env_vars={"MY_TOKEN": WORD}, scope="module")
    def test_shared(runloop_sandbox): ...

    @pytest.mark.runloop(env_vars={"MY_TOKEN": WORD}, setup="true")
    def test_prepared(runloop_sandbox): ...
"""


def spellings(value: str) -> set[bytes]:
    """Return what may not be in a file; of base64 the part that does not depend on what is around."""
    packed = {base64.b64encode(b"." * before + value.encode())[4:-4] for before in range(3)}
    quoted = {urllib.parse.quote(value, safe=safe).encode() for safe in ("", "/")}
    return {value.encode(), value.encode().hex().encode(), *packed, *quoted}


def test_another_computer_s_secrets_of_other_lengths_replay(
    emulated_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulated_project.makepyfile(test_it=TESTS)
    monkeypatch.setenv("HANDED", VALUE)
    monkeypatch.setenv("MANAGED", MANAGED)
    run(emulated_project, EMULATOR, "--runloop-record=all").assert_outcomes(passed=5)
    files = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file() and path.suffix != ".pyc"}
    found = {path.name for path, data in files.items() for s in (VALUE, MANAGED) for f in spellings(s) if f in data}
    monkeypatch.setenv("PYTEST_RUNLOOP_STATE", "/dev/null/nowhere")

    assert found == set()
    for handed, managed in (("0ther/+Secret", "m2"), ("dummy-token-1", f"m4{'x' * 600}")):
        monkeypatch.setenv("HANDED", handed)
        monkeypatch.setenv("MANAGED", managed)
        run(emulated_project, REPLAY).assert_outcomes(passed=5)


def test_a_secret_variable_s_name_decides_however_plain_its_value_is(emulated_project: pytest.Pytester) -> None:
    emulated_project.makepyfile(test_it=PLAIN.replace("WORD", "'s3cr3t-7Q'"))
    run(emulated_project, EMULATOR, "--runloop-record=all").assert_outcomes(passed=2)

    emulated_project.makepyfile(test_it=PLAIN.replace("WORD", "'x'"))

    run(emulated_project, REPLAY).assert_outcomes(passed=2)

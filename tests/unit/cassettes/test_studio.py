"""Which cassette a request belongs to, and what becomes of it there."""

from __future__ import annotations

import contextvars
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest

from pytest_runloop.cassettes.files import document
from pytest_runloop.cassettes.playing.meaning import Rules
from pytest_runloop.cassettes.playing.replay import Unrecorded
from pytest_runloop.cassettes.secrets.scrubbing import Scrubber
from pytest_runloop.cassettes.traffic.jobs import Job, Mode
from pytest_runloop.cassettes.traffic.studio import Studio
from pytest_runloop.sandbox.portal import Portal
from tests.unit.cassettes.traffic import plain, serving

NOWHERE = "http://127.0.0.1:9"
TRACES = "https://api.openai.com/v1/traces/ingest"
SECRET = "k9X2mQ7vL4tR8wZ1pN6b"


class Shop:
    """A server, and studios in front of it."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.url = url
        self.calls = 0
        self.studios: list[Studio] = []

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.calls += 1
        body = json.dumps({"id": f"dbx_{self.calls:06}9", "path": handler.path.partition("?")[0]}).encode()
        plain(body, Content_Type="application/json")(handler)

    def studio(self, *, replay: bool = False, **more: Any) -> Studio:  # noqa: ANN401 - whatever a studio takes
        told: dict[str, Any] = {"scrubber": Scrubber({}), "rules": Rules(()), **more}
        studio = Studio(base_url=NOWHERE if replay else self.url, replay=replay, **told)
        studio.install()
        self.studios.append(studio)
        return studio

    def job(self, mode: Mode, name: str = "a") -> Job:
        path = self.directory / "cassettes" / f"{name}.json"
        return Job(path=path, what="test", name=f"t.py::{name}", mode=mode, command=f"record {name}")

    def record(
        self,
        work: Callable[[str], object],
        *,
        name: str = "a",
        keep: bool = True,
        **more: Any,  # noqa: ANN401 - whatever a studio takes
    ) -> list[str]:
        studio, job = self.studio(**more), self.job(Mode.RECORD, name)
        studio.start(job)
        work(self.url)
        problems = studio.finish(job, keep=keep)
        studio.close()
        return problems

    def replay(
        self,
        work: Callable[[str], object],
        *,
        name: str = "a",
        **more: Any,  # noqa: ANN401 - whatever a studio takes
    ) -> tuple[Any, list[str]]:
        studio, job = self.studio(replay=True, **more), self.job(Mode.REPLAY, name)
        studio.start(job)
        try:
            result = work(NOWHERE)
        finally:
            problems = studio.finish(job, keep=True)
            studio.close()
        return result, problems


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path, "")
    with serving(shop.answer) as shop.url:
        yield shop
        for studio in reversed(shop.studios):
            studio.close()


def get(path: str) -> Callable[[str], Any]:
    return lambda url: httpx.get(f"{url}{path}").json()


def post(path: str, **more: Any) -> Callable[[str], Any]:  # noqa: ANN401 - whatever httpx takes
    return lambda url: httpx.post(f"{url}{path}", **more).json()


# ── the way there and back ───────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_recorded_is_played(shop: Shop) -> None:
    assert shop.record(post("/v1/devboxes", json={"name": "x"})) == []
    calls = shop.calls

    result, problems = shop.replay(post("/v1/devboxes", json={"name": "x"}))

    assert (result["path"], problems, shop.calls) == ("/v1/devboxes", [], calls)


def test_a_failed_test_leaves_the_old_recording(shop: Shop) -> None:
    shop.record(get("/v1/devboxes/old"))
    before = shop.job(Mode.RECORD).path.read_bytes()

    assert shop.record(get("/v1/devboxes/new"), keep=False) == []
    assert shop.job(Mode.RECORD).path.read_bytes() == before


def test_files_that_changed_are_told(shop: Shop) -> None:
    studio, job = shop.studio(), shop.job(Mode.RECORD)
    studio.start(job)
    get("/v1/devboxes")(shop.url)
    studio.finish(job, keep=True)

    assert studio.written == [job.path]


def test_what_was_not_asked_for_is_told(shop: Shop) -> None:
    shop.record(lambda url: [post("/v1/devboxes/dbx_1/suspend")(url), post("/v1/devboxes/dbx_1/resume")(url)])

    _, problems = shop.replay(post("/v1/devboxes/dbx_1/suspend"))
    assert problems == ["resume devbox dbx_1"]
    _, problems = shop.replay(lambda _: None)
    assert len(problems) == 2


def test_a_missing_recording_says_how_to_record(shop: Shop) -> None:
    with pytest.raises(Unrecorded, match=re.escape("record a")):
        shop.replay(get("/v1/devboxes"))
    with pytest.raises(Unrecorded, match=re.escape("t.py::a")):
        shop.replay(get("/v1/devboxes"))


def test_a_damaged_recording_says_so(shop: Shop) -> None:
    path = shop.job(Mode.REPLAY).path
    path.parent.mkdir()
    path.write_text('{"version": 1, "interac')
    studio, job = shop.studio(replay=True), shop.job(Mode.REPLAY)
    studio.start(job)

    with pytest.raises(Unrecorded, match=re.escape(str(path))):
        get("/v1/devboxes")(NOWHERE)
    assert len(job.misses) == 1


def test_verify_writes_nothing_and_tells_what_differs(shop: Shop) -> None:
    shop.record(post("/v1/devboxes", json={"name": "x"}))
    before = shop.job(Mode.RECORD).path.read_bytes()
    for name, differs in (("x", False), ("y", True)):
        studio, job = shop.studio(), shop.job(Mode.VERIFY)
        studio.start(job)
        post("/v1/devboxes", json={"name": name})(shop.url)
        assert bool(studio.finish(job, keep=True)) is differs
    assert shop.job(Mode.RECORD).path.read_bytes() == before


# ── whose it is ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_request_of_any_thread_belongs_to_the_running_test(shop: Shop) -> None:
    def work(url: str) -> list[str]:
        got: list[str] = []
        threads = [threading.Thread(target=lambda n=n: got.append(get(f"/v1/devboxes/{n}")(url)["path"])) for n in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(got)

    shop.record(work)
    assert shop.replay(work) == (["/v1/devboxes/a", "/v1/devboxes/b"], [])


def test_what_is_sent_within_a_job_belongs_to_it(shop: Shop) -> None:
    studio = shop.studio()
    own, shared = shop.job(Mode.RECORD, "own"), shop.job(Mode.RECORD, "shared")
    studio.start(own)
    get("/v1/devboxes/1")(shop.url)
    with studio.within(shared):
        get("/v1/devboxes/2")(shop.url)
        there = contextvars.copy_context()
    get("/v1/devboxes/3")(shop.url)
    there.run(get("/v1/devboxes/4"), shop.url)
    studio.finish(own, keep=True)
    studio.finish(shared, keep=True)

    def paths(job: Job) -> list[str]:
        return [exchange.request.path[-1] for exchange in document.read(job.path).exchanges]

    assert (paths(own), paths(shared)) == (["1", "3"], ["2", "4"])


def test_a_job_of_the_portal_belongs_to_whoever_gave_it(shop: Shop) -> None:
    async def ask(url: str) -> None:
        async with httpx.AsyncClient() as client:
            await client.get(f"{url}/v1/devboxes")

    studio, own, shared = shop.studio(), shop.job(Mode.RECORD, "own"), shop.job(Mode.RECORD, "shared")
    studio.start(own)
    portal = Portal("test")
    try:
        with studio.within(shared):
            portal.call(ask(shop.url))
        assert (own.touched, shared.touched) == (False, True)
        portal.call(ask(shop.url))
        assert own.touched
    finally:
        portal.close()


def test_a_recorded_and_a_replayed_cassette_in_one_process(shop: Shop) -> None:
    shop.record(get("/v1/devboxes/1"))
    calls = shop.calls
    studio = shop.studio()
    studio.serve(NOWHERE)
    old, new = shop.job(Mode.REPLAY), shop.job(Mode.RECORD, "b")
    studio.start(old)
    assert get("/v1/devboxes/1")(shop.url)["path"] == "/v1/devboxes/1"
    assert shop.calls == calls
    assert studio.finish(old, keep=True) == []
    studio.start(new)
    get("/v1/devboxes/1")(shop.url)
    assert shop.calls == calls + 1


def test_outside_of_any_cassette_a_replay_refuses_and_a_recording_lets_pass(shop: Shop) -> None:
    shop.studio().close()
    studio = shop.studio(replay=True)
    with pytest.raises(Unrecorded, match=r"create a devbox.*runloop.*no test or fixture") as caught:
        post("/v1/devboxes", json={})(NOWHERE)
    assert studio.misses == [caught.value]
    with serving(plain(b"{}")) as other:
        assert get("/")(other) == {}
    studio.close()

    shop.studio()
    assert get("/v1/devboxes")(shop.url)["path"] == "/v1/devboxes"


def test_a_refusal_names_the_host(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://models.invalid/v1")
    studio = shop.studio(replay=True)

    for ask, host in ((get("/v1/devboxes"), "api.runloop.ai"), (get("/v1/models"), "models.invalid")):
        with pytest.raises(Unrecorded, match=rf"refused to .*\({host}\)"):
            ask(NOWHERE if "runloop" in host else "http://models.invalid")
        with pytest.raises(Unrecorded, match=rf"nothing is recorded.*\({host}\)"), studio.within(shop.job(Mode.REPLAY)):
            ask(NOWHERE if "runloop" in host else "http://models.invalid")


def test_a_recording_of_vcrpy_is_named_as_it_is_called(shop: Shop) -> None:
    job = shop.job(Mode.REPLAY)
    job.path.parent.mkdir(parents=True, exist_ok=True)
    job.path.with_suffix(".yaml").write_text("version: 1\ninteractions: []\n")

    with pytest.raises(Unrecorded, match=r"cassette: .*\.yaml "), shop.studio(replay=True).within(job):
        get("/v1/devboxes")(NOWHERE)


def test_what_comes_after_the_end_is_refused_by_name(shop: Shop) -> None:
    shop.record(get("/v1/devboxes"))
    studio, job = shop.studio(replay=True), shop.job(Mode.REPLAY)
    with studio.within(job):
        get("/v1/devboxes")(NOWHERE)
        studio.finish(job, keep=True)
        with pytest.raises(Unrecorded, match=r"t\.py::a, which has ended"):
            get("/v1/devboxes")(NOWHERE)
    assert len(job.misses) == 1


def test_a_refusal_is_held_once_though_every_later_request_is_refused(shop: Shop) -> None:
    shop.record(get("/v1/devboxes/1"))
    studio, job = shop.studio(replay=True), shop.job(Mode.REPLAY)
    studio.start(job)
    for path in ("/v1/devboxes/2", "/v1/devboxes/1"):
        with pytest.raises(Unrecorded):
            get(path)(NOWHERE)
    assert len(job.misses) == 1
    assert studio.finish(job, keep=True) == []


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_final_error_is_not_asked_for_again(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "")
    with serving(plain(b"{}", status=503, Retry_After="30", Content_Type="application/json")) as shop.url:
        shop.record(get("/v1/devboxes"))

    headers, _ = shop.replay(lambda url: httpx.get(f"{url}/v1/devboxes").headers)

    assert headers["x-should-retry"] == "false"
    assert "retry-after" not in headers


def test_traces_are_swallowed_by_a_replay(shop: Shop) -> None:
    shop.record(get("/v1/devboxes"))
    studio, job = shop.studio(replay=True), shop.job(Mode.REPLAY)
    assert httpx.post(TRACES, json={}).status_code == 204
    studio.start(job)
    assert httpx.post(TRACES, json={}).status_code == 204
    assert (studio.misses, job.misses) == ([], [])


def test_the_models_api_is_recorded_wherever_it_is(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(plain(b'{"id":"resp_1"}', Content_Type="application/json")) as model:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{model}/proxy/v1")
        shop.record(lambda _: httpx.post(f"{model}/proxy/v1/responses", json={"model": "m"}).json())
        shop.record(lambda _: httpx.post(f"{model}/elsewhere", json={"model": "m"}).json(), name="b")
    monkeypatch.delenv("OPENAI_BASE_URL")

    url = "https://api.openai.com/v1/responses"
    assert "id" in shop.replay(lambda _: httpx.post(url, json={"model": "m"}).json())[0]
    assert not shop.job(Mode.REPLAY, "b").path.exists()


def test_other_hosts_are_recorded_if_the_user_wants(shop: Shop) -> None:
    with serving(plain(b"[1]")) as other:
        shop.record(lambda _: get("/x?y=1")(other), hosts=["127.0.0.1"])
    assert shop.replay(lambda _: get("/x?y=1")(other), hosts=["127.0.0.1"]) == ([1], [])


def test_a_broken_connection_is_not_recorded_but_what_came_after_it_is(shop: Shop) -> None:
    def work(url: str) -> Any:  # noqa: ANN401 - JSON
        with pytest.raises(httpx.ConnectError):
            httpx.get("http://127.0.0.1:9/v1/devboxes")
        return get("/v1/devboxes")(url)["path"]

    studio, job = shop.studio(), shop.job(Mode.RECORD)
    studio.serve(NOWHERE)
    studio.start(job)
    work(shop.url)
    studio.finish(job, keep=True)
    assert len(document.read(job.path).exchanges) == 1


def test_fifty_megabytes_of_anything(tmp_path: Path) -> None:
    content = bytes(range(256)) * 200_000
    shop = Shop(tmp_path, "")
    with serving(plain(content, Content_Type="application/octet-stream")) as shop.url:
        download = "/v1/devboxes/dbx_1/download_file"
        assert shop.record(lambda url: httpx.post(f"{url}{download}", json={"path": "/f"}, timeout=60)) == []
    began = time.perf_counter()
    result, problems = shop.replay(lambda url: httpx.post(f"{url}{download}", json={"path": "/f"}).content)

    assert (result == content, problems) == (True, [])
    assert time.perf_counter() - began < 5
    assert shop.job(Mode.REPLAY).path.stat().st_size < 2000


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_secret_is_not_written_and_another_of_that_name_replays(shop: Shop) -> None:
    body = {"command": f"curl -H 'x: {SECRET}' there"}
    assert (
        shop.record(post("/v1/devboxes/dbx_1/execute_async", json=body), scrubber=Scrubber({}, {"KEY": SECRET})) == []
    )
    assert SECRET not in shop.job(Mode.RECORD).path.read_text()

    other = "z8Y1nW6uK3sQ7vX0oM5a"
    _, problems = shop.replay(
        post("/v1/devboxes/dbx_1/execute_async", json={"command": f"curl -H 'x: {other}' there"}),
        scrubber=Scrubber({}, {"KEY": other}),
    )
    assert problems == []


class Blind(Scrubber):
    """One that overlooks everything but at the end."""

    def scoped(self) -> Scrubber:
        return self

    def exchange(self, exchange: Any) -> Any:  # noqa: ANN401 - as it came
        return exchange


def test_a_leak_fails_and_leaves_everything_as_it_was(shop: Shop) -> None:
    leaky = post("/v1/devboxes/dbx_1/execute_async", json={"command": f"echo {SECRET} {'x' * 9000}"})
    for earlier in (lambda _: None, get("/v1/devboxes")):
        shop.record(earlier)
        before = {path: path.read_bytes() for path in shop.directory.rglob("*") if path.is_file()}

        [problem] = shop.record(leaky, scrubber=Blind({}, {"KEY": SECRET}))

        assert "KEY" in problem
        assert SECRET not in problem
        assert {path: path.read_bytes() for path in shop.directory.rglob("*") if path.is_file()} == before


# ── the user's configuration of vcrpy ────────────────────────────────────────────────────────────────────────────────


def test_filters_and_hooks_of_vcrpy_change_what_is_recorded_and_what_is_looked_up(shop: Shop) -> None:
    def hide(response: dict[str, Any]) -> dict[str, Any]:
        response["body"]["string"] = response["body"]["string"].replace(b"path", b"hidden")
        return response

    def drop(request: Any) -> Any:  # noqa: ANN401 - vcrpy's
        return None if request.path == "/v1/ping" else request

    config = {
        "filter_query_parameters": ["token"],
        "filter_post_data_parameters": ["when"],
        "before_record_request": drop,
        "before_record_response": hide,
    }

    def work(n: int) -> Callable[[str], Any]:
        def go(url: str) -> Any:  # noqa: ANN401 - JSON
            return post(f"/v1/devboxes?token=t{n}", json={"when": n, "name": "x"})(url)

        return go

    shop.record(lambda url: [work(1)(url), get("/v1/ping")(url)], vcr_config=config)
    text = shop.job(Mode.RECORD).path.read_text()
    assert "token" not in text
    assert "when" not in text
    assert "ping" not in text
    result, problems = shop.replay(work(2), vcr_config=config)
    assert (result["hidden"], problems) == ("/v1/devboxes", [])


def test_what_vcrpys_hooks_drop_passes_in_a_replay_too(shop: Shop) -> None:
    shop.record(get("/v1/devboxes"))
    studio = shop.studio(replay=True, vcr_config={"ignore_hosts": ["api.runloop.ai"]})
    studio.serve(shop.url)
    studio.start(shop.job(Mode.REPLAY))
    assert get("/v1/anything")(shop.url)["path"] == "/v1/anything"


def test_match_on_decides_alone(shop: Shop) -> None:
    def near(one: Any, other: Any) -> bool:  # noqa: ANN401 - vcrpy's
        return abs(len(one.body) - len(other.body)) < 5

    def configure(recorder: Any) -> None:  # noqa: ANN401 - a vcr.VCR
        recorder.register_matcher("near", near)

    shop.record(post("/v1/devboxes", json={"name": "x"}))
    with pytest.raises(Unrecorded):
        shop.replay(post("/v1/devboxes", json={"name": "xy"}))
    for match_on, name, is_found in (
        (("method", "near"), "xy", True),
        (("method", "near"), "x" * 30, False),
        (("meaning", "near"), "xy", False),
        (("meaning", "near"), "x", True),
    ):
        config = {"match_on": match_on}
        work = post("/v1/devboxes", json={"name": name})
        if is_found:
            _, problems = shop.replay(work, vcr_config=config, configure=configure)
            assert problems == []
        else:
            with pytest.raises(Unrecorded):
                shop.replay(work, vcr_config=config, configure=configure)


def test_sensitive_data_of_vcrpy_9_is_hidden_and_restored(shop: Shop) -> None:
    pytest.importorskip("vcr.filters")
    from vcr import filters

    if not hasattr(filters, "sensitive_data_hooks"):
        pytest.skip("vcrpy 9")
    config = {"filter_sensitive_data": [("<NAME>", "plainname")]}
    work = post("/v1/devboxes", json={"name": "plainname"})
    shop.record(work, vcr_config=config)
    assert "plainname" not in shop.job(Mode.RECORD).path.read_text()
    assert shop.replay(work, vcr_config=config)[1] == []


def test_close_puts_everything_back_and_can_be_repeated(shop: Shop) -> None:
    real = httpx.HTTPTransport.handle_request
    studio = shop.studio()
    studio.install()
    assert httpx.HTTPTransport.handle_request is not real
    studio.close()
    studio.close()
    assert httpx.HTTPTransport.handle_request is real

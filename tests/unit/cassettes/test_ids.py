from __future__ import annotations

import json
import random
import re
import string
import uuid
from typing import Any

from pytest_runloop.cassettes.exchange import Exchange, Request, Response
from pytest_runloop.cassettes.takes import ids
from pytest_runloop.cassettes.takes.ids import Renaming


class Server:
    """A server that numbers what it makes at random, differently in every run."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - the same in every run

    def id(self, prefix: str) -> str:
        return f"{prefix}_" + "".join(self._random.choices(string.ascii_letters + string.digits, k=22))

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))


def call(path: str, body: Any = None, *, answer: Any = None, host: str = "runloop") -> Exchange:  # noqa: ANN401 - JSON
    content = b"" if body is None else json.dumps(body).encode()
    request = Request(method="POST", host=host, path=path, content_type="application/json", body=content)
    chunks = (json.dumps(answer).encode(),) if answer is not None else ()
    return Exchange(request=request, response=Response(status=200, chunks=chunks))


def session(seed: int) -> list[Exchange]:
    server = Server(seed)
    box, other, run = server.id("dbx"), server.id("dbx"), server.uuid()
    create = "/v1/devboxes"
    return [
        call(create, {"name": "same"}, answer={"id": box, "snapshot_id": None}),
        call(create, {"name": "same"}, answer={"id": other}),
        call(
            f"{create}/{box}/execute_async",
            {"command": f"echo {other}"},
            answer={"devbox_id": box, "execution_id": run},
        ),
        call(f"{create}/{box}/executions/{run}/wait_for_status", answer={"stdout": f"{other}\n", "execution_id": run}),
        call("/", f"to {box}", answer={"id": "req_1234567"}, host=f"8000.{other}.sandbox"),
    ]


def key_of(request: Request) -> str:
    return f"{request.host} {request.path} {request.body!r}"


def renamed(exchanges: list[Exchange], label: str = "t.py::x", names: Renaming | None = None) -> tuple[Exchange, ...]:
    return (names or Renaming()).renamed(exchanges, label, key_of=key_of)


def texts(exchanges: tuple[Exchange, ...]) -> list[object]:
    return [(one.request, one.response) for one in exchanges]


def test_recording_again_gives_the_same_text() -> None:
    assert texts(renamed(session(1))) == texts(renamed(session(2)))
    assert session(1) != session(2)


def test_another_test_gives_other_names() -> None:
    assert texts(renamed(session(1), "t.py::x")) != texts(renamed(session(1), "t.py::y"))


def test_names_look_like_ids_and_stay_apart() -> None:
    first, second, run, *_ = (json.loads(one.response.content) for one in renamed(session(1)) if one.response)

    assert re.fullmatch("dbx_[0-9a-f]{16}", first["id"])
    assert first["id"] != second["id"]
    assert uuid.UUID(run["execution_id"]).version == 4
    assert run["devbox_id"] == first["id"]


def test_an_id_is_renamed_wherever_it_is_told() -> None:
    raw = session(1)
    found = renamed(raw)
    ids_of = [json.loads(one.response.content) for one in raw if one.response]

    said = " ".join(f"{one.request}{one.request.body!r}{one.response.content!r}" for one in found if one.response)
    assert not any(issued in said for issued in (ids_of[0]["id"], ids_of[1]["id"], ids_of[2]["execution_id"]))
    name = json.loads(found[1].response.content)["id"] if found[1].response else ""
    assert json.loads(found[2].request.body) == {"command": f"echo {name}"}
    assert found[4].request.host == f"8000.{name}.sandbox"


def test_what_the_user_knew_before_keeps_its_name() -> None:
    exchanges = [
        call(
            "/v1/devboxes",
            {"blueprint_id": "bpt_Mine12345"},
            answer={"id": "dbx_New1234", "blueprint_id": "bpt_Mine12345"},
        )
    ]

    (found,) = renamed(exchanges)

    assert found.request == exchanges[0].request
    assert found.response is not None
    assert json.loads(found.response.content)["blueprint_id"] == "bpt_Mine12345"


def test_words_and_servers_of_users_issue_no_ids() -> None:
    exchanges = [
        call("/v1/responses", {"a": 1}, answer={"tool": {"id": "web_search"}}, host="openai"),
        call("/", {"a": 1}, answer={"id": "dbx_Abc12345"}, host="8000.x.sandbox"),
        call("/v1/devboxes/x/read_file_contents", {}, answer={"note": "not_an_Id12345"}),
    ]

    assert list(renamed(exchanges)) == exchanges


def test_ids_of_several_cassettes_go_by_their_role() -> None:
    one, other = Renaming(), Renaming()
    one.call("snp_Aaaaaaa1", "prepared-k1-snapshot")
    other.call("snp_Bbbbbbb2222222", "prepared-k1-snapshot")

    first = renamed([call("/v1/devboxes", {"snapshot_id": "snp_Aaaaaaa1"})], "x", one)
    second = renamed([call("/v1/devboxes", {"snapshot_id": "snp_Bbbbbbb2222222"})], "x", other)

    assert texts(first) == texts(second)
    name = ids.named("snp_Aaaaaaa1", "prepared-k1-snapshot")
    assert json.loads(first[0].request.body) == {"snapshot_id": name}
    assert name == ids.named("snp_Cc", "prepared-k1-snapshot")


def test_a_name_lasts_for_all_cassettes() -> None:
    names = Renaming()
    (made,) = renamed([call("/v1/devboxes", {}, answer={"id": "dbx_Abc12345"})], "x", names)
    (used,) = renamed([call("/v1/devboxes/dbx_Abc12345/suspend")], "y", names)
    names.call("dbx_Abc12345", "too late")
    (again,) = renamed([call("/v1/devboxes/dbx_Abc12345/suspend")], "z", names)

    assert made.response is not None
    assert used.request.path == f"/v1/devboxes/{json.loads(made.response.content)['id']}/suspend"
    assert again.request.path == used.request.path


def test_a_blueprint_told_in_passing_goes_by_the_cassette_alone() -> None:
    def fork(seed: int) -> list[Exchange]:
        server = Server(seed)
        return [call("/v1/devboxes", {}, answer={"id": server.id("dbx"), "blueprint_id": "bpt_0Random1"})]

    names = Renaming()

    first = renamed(fork(1), "t.py::first", names)
    second = renamed(fork(2), "t.py::second", names)

    assert texts(second) == texts(renamed(fork(3), "t.py::second"))
    assert texts(first) == texts(renamed(fork(3), "t.py::first"))


def test_a_blueprint_that_was_asked_for_or_found_has_one_name() -> None:
    blueprint = "bpt_0Random1"
    found = call("/v1/blueprints", answer={"id": blueprint, "name": "mine"})
    made = call("/v1/devboxes", {"blueprint_id": blueprint}, answer={"id": "dbx_0Random1", "blueprint_id": blueprint})
    names = Renaming()

    whole = renamed([found, made], names=names)
    other = renamed([made], "t.py::other", names)

    bodies = [body for one in (*whole, *other) for body in (one.request.body, one.response.content)]  # type: ignore[union-attr] # they have
    told = set(re.findall(rb"bpt_\w+", b" ".join(bodies)))
    assert len(told) == 1
    assert blueprint.encode() not in told


def test_a_stream_keeps_its_pieces_and_no_id_is_cut() -> None:
    raw = "resp_Abcdef1234567890abcdef1234567890"
    pieces = (b'data: {"id": "resp_Abc', f'{raw[8:]}", "n": 1}}\n\n'.encode(), f'data: {{"id": "{raw}"}}\n\n'.encode())
    request = Request(method="POST", host="openai", path="/v1/responses")
    exchange = Exchange(request=request, response=Response(status=200, chunks=pieces))

    (found,) = renamed([exchange])

    assert found.response is not None
    name = re.findall(rb"resp_[0-9a-f]{16}", found.response.content)[0]
    assert found.response.chunks == (
        b'data: {"id": "',
        name + b'", "n": 1}\n\n',
        b'data: {"id": "' + name + b'"}\n\n',
    )


def test_binary_contents_are_left_alone() -> None:
    names = Renaming()
    names.call("dbx_Abc12345", "box")
    content = b"\0dbx_Abc12345\0"
    request = Request(method="POST", host="runloop", path="/", body=content)

    (found,) = renamed([Exchange(request=request, response=Response(status=200, chunks=(content,)))], "x", names)

    assert found.request.body == content
    assert found.response is not None
    assert found.response.chunks == (content,)


def test_requests_that_nobody_answered_are_renamed_too() -> None:
    names = Renaming()
    names.call("dbx_Abc12345", "box")
    request = Request(method="POST", host="runloop", path="/v1/devboxes/dbx_Abc12345/suspend")

    (found,) = renamed([Exchange(request=request, response=None)], "x", names)

    assert found.request.path == f"/v1/devboxes/{ids.named('dbx_Abc12345', 'box')}/suspend"


def test_ids_are_found_wherever_the_plain_expression_finds_them() -> None:
    uuids, prefixed = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[a-z]{2,10}_[A-Za-z0-9]{6,}"
    plain = re.compile(f"(?<![A-Za-z0-9])(?:{uuids}|{prefixed})(?![A-Za-z0-9])")
    pieces = ["_", "-", "dbx", "dbx_", "x", "A", "9", "0123abcd", "774b", "abcdef", " ", '"', "é", "abcdefghij"]
    pieces += ["01890a5d-ac96-774b-bcce-b302099a8057", "b302099a8057", "web_search", "dbx_123456"]
    rng = random.Random(1)  # noqa: S311 - the same in every run
    names = Renaming()

    for _ in range(3000):
        text = "".join(rng.choices(pieces, k=rng.randrange(1, 14)))
        for raw in plain.findall(json.dumps(text)):
            names.call(raw, raw)
        (one,) = renamed([call("/", text)], names=names)
        wanted = plain.sub(lambda match: ids.named(match[0], match[0]), json.dumps(text))
        assert one.request.body.decode() == wanted

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import random
import zipfile

import pytest

from pytest_runloop.cassettes.exchange import OPENAI, RUNLOOP, Exchange, Request, Response
from pytest_runloop.cassettes.secrets.scrubbing import Scrubber

TOKEN = "tk-4f9a8b7c6d5e"


def posted(path: str, body: object, *, host: str = RUNLOOP) -> Request:
    return Request(
        method="POST", host=host, path=path, content_type="application/json", body=json.dumps(body).encode()
    )  # fmt: skip


def executed(command: str) -> Request:
    return posted("/v1/devboxes/dbx_1/execute_async", {"command": command})


def answer(body: object) -> Response:
    return Response(status=200, headers={"content-type": "application/json"}, chunks=(json.dumps(body).encode(),))


def command_of(request: Request) -> str:
    return str(json.loads(request.body)["command"])


@pytest.mark.parametrize(("command", "expected"), [
    ("env -- API_TOKEN=abc LANG=C ls", "env -- API_TOKEN=<secret:API_TOKEN> LANG=C ls"),
    ("env -- 'API_TOKEN=a b'\"'\"'c' ls", "env -- API_TOKEN=<secret:API_TOKEN> ls"),
    ("env -- API_TOKEN= ls", "env -- API_TOKEN=<secret:API_TOKEN> ls"),
    ("sh -c 'export DB_PASSWORD=\"x y\"; ls'", "sh -c 'export DB_PASSWORD=<secret:DB_PASSWORD>; ls'"),
    ("curl -H 'Authorization: Bearer abc' x", "curl -H 'Authorization: Bearer <secret:Authorization>' x"),
    ("curl -H 'X-Api-Key: abc' x", "curl -H 'X-Api-Key: <secret:X-Api-Key>' x"),
    ("git clone https://u:abc@h.io/x", "git clone https://u:<secret:password@h.io>@h.io/x"),
    ("git clone https://abc@h.io/x", "git clone https://<secret:user@h.io>@h.io/x"),
    ("tool --api-key=abc --password def", "tool --api-key=<secret:api-key> --password <secret:password>"),
    ("curl 'h.io/?access_token=abc&n=1'", "curl 'h.io/?access_token=<secret:access_token>&n=1'"),
])  # fmt: skip
def test_a_place_decides_whatever_stands_there(command: str, expected: str) -> None:
    assert command_of(Scrubber({}).request(executed(command))) == expected


@pytest.mark.parametrize("command", [
    "TOKEN=$(cat a) ls", "export API_TOKEN=$OTHER", 'curl -H "Authorization: Bearer $TOKEN" x',
    "API_KEY=`rm -rf /` ls",
    "git clone ssh://git@h.io/x", "git clone git@h.io:x", "sort --key=2 a", "sed 's/API_KEY=.*/x/' a",
    "pytest -k token",
    "python -c 'token=f(x)'", "echo MAX_TOKENS=5", "ls # don't", "PRIMARY_KEY=id ls",
])  # fmt: skip
def test_what_only_looks_like_a_secret_stays(command: str) -> None:
    request = executed(command)

    assert Scrubber({}).request(request) is request


def test_a_plain_value_is_hidden_only_at_its_place() -> None:
    scrubber = Scrubber({"API_KEY": "test", "POSTGRES_PASSWORD": "postgres", "A_TOKEN": "a"})

    request = scrubber.request(executed("env -- API_KEY=test pytest tests; psql -U postgres a"))

    assert command_of(request) == "env -- API_KEY=<secret:API_KEY> pytest tests; psql -U postgres a"
    assert scrubber.leaks(b"test postgres a") == []


def test_the_environment_the_user_and_the_plugin_tell_of_secrets() -> None:
    scrubber = Scrubber({"A_TOKEN": TOKEN, "DB_URL": "postgres://u:pw99%21secret@h/db"}, {"mine": "own-value-77"})
    scrubber.know("managed", "value-of-88")

    hidden = scrubber.text(f"{TOKEN} pw99!secret own-value-77 value-of-88")

    assert hidden == "<secret:A_TOKEN> <secret:DB_URL> <secret:mine> <secret:managed>"


def test_managed_secrets_are_named_for_themselves() -> None:
    scrubber = Scrubber({})

    created = scrubber.request(posted("/v1/secrets", {"name": "PG", "value": TOKEN}))
    changed = scrubber.request(posted("/v1/secrets/OTHER", {"value": "x"}))

    assert json.loads(created.body) == {"name": "PG", "value": "<secret:PG>"}
    assert json.loads(changed.body) == {"value": "<secret:OTHER>"}
    assert scrubber.text(TOKEN) == "<secret:PG>"


def test_names_of_secrets_are_no_secrets() -> None:
    request = posted("/v1/devboxes", {"secrets": {"GITHUB_TOKEN": "gh_secret"}, "gateways": {"G": {"secret": "s"}}})

    assert Scrubber({}).request(request) is request


def test_answers_are_hidden_and_given_back() -> None:
    scrubber = Scrubber({})
    request = posted("/v1/devboxes", {"environment_variables": {"A_TOKEN": TOKEN}})
    said = f"A_TOKEN={TOKEN} {base64.b64encode(b'.' + TOKEN.encode()).decode()} {json.dumps({'a': TOKEN})}"
    exchange = Exchange(request=request, response=answer({"stdout": said}))

    written = scrubber.exchange(exchange)

    assert written.response is not None
    assert TOKEN.encode() not in written.response.content
    assert json.loads(scrubber.restored(written.response).content) == {"stdout": said}


def test_another_value_is_given_back_where_todays_is_another() -> None:
    response = answer({"stdout": '{"a": "<secret:A_TOKEN>"}', "other": "<secret:B_TOKEN>"})
    scrubber = Scrubber({})
    scrubber.request(executed("env -- A_TOKEN='quo\"te' ls"))

    restored = json.loads(scrubber.restored(response).content)

    assert json.loads(restored["stdout"]) == {"a": 'quo"te'}
    assert restored["other"] == "<secret:B_TOKEN>"


def test_two_tunnels_stay_two_and_their_keys_fit_into_a_host() -> None:
    scrubber = Scrubber({})
    answers = [
        scrubber.exchange(
            Exchange(
                request=posted(f"/v1/devboxes/dbx_{n}/enable_tunnel", {}),
                response=answer({"tunnel_key": f"KeyNo{n}xyz", "auth_token": f"auth{n}token"}),
            )
        )
        for n in (1, 2)
    ]
    asked = scrubber.request(Request(method="GET", host="8000-keyno2xyz.tunnel.runloop.ai", path="/"))

    bodies = [json.loads(one.response.content) for one in answers if one.response]
    assert [body["tunnel_key"] for body in bodies] == ["secret-tunnel-key-dbx_1", "secret-tunnel-key-dbx_2"]
    assert [body["auth_token"] for body in bodies] == ["<secret:auth_token.dbx_1>", "<secret:auth_token.dbx_2>"]
    assert asked.host == "8000-secret-tunnel-key-dbx_2.tunnel.runloop.ai"


def test_presigned_urls_keep_their_shape() -> None:
    url = "https://s3.io/b/obj_1?X-Amz-Signature=abc123def&X-Amz-Date=2026"
    written = Scrubber({}).exchange(
        Exchange(request=posted("/v1/objects", {"name": "a"}), response=answer({"id": "obj_1", "upload_url": url}))
    )

    assert written.response is not None
    assert json.loads(written.response.content)["upload_url"] == (
        "https://s3.io/b/obj_1?X-Amz-Signature=<secret:X-Amz-Signature>&X-Amz-Date=<secret:X-Amz-Date>"
    )


@pytest.mark.parametrize("key", [
    "sk-proj-abcdefghij0123456789", "ghp_abcdefghijklmnopqrst0123456789abcdef", "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc123",
    "-----BEGIN RSA PRIVATE KEY-----\nabcdefgh12345678abcdefgh\n-----END RSA PRIVATE KEY-----",
])  # fmt: skip
def test_well_known_kinds_of_keys_are_hidden_unasked(key: str) -> None:
    scrubber = Scrubber({})
    request = posted("/v1/responses", {"input": [key, json.dumps({"it": key})]}, host=OPENAI)

    body = scrubber.request(request).body

    assert b"<secret:" in body
    assert scrubber.leaks(body) == []
    assert scrubber.leaks(request.body) != []


def test_a_models_log_probabilities_are_left_alone() -> None:
    response = answer({"logprobs": [{"token": "Hello", "logprob": -0.1}]})
    exchange = Exchange(request=posted("/v1/responses", {}, host=OPENAI), response=response)

    assert Scrubber({}).exchange(exchange) is exchange


def test_a_secret_that_comes_in_pieces_is_hidden() -> None:
    pieces = [TOKEN[at : at + 4] for at in range(0, len(TOKEN), 4)]
    chunks = tuple(f'data: {{"type":"delta","delta":"{piece}"}}\n\n'.encode() for piece in pieces)
    scrubber = Scrubber({"A_TOKEN": TOKEN})

    written = scrubber.exchange(
        Exchange(request=posted("/v1/responses", {}, host=OPENAI), response=Response(status=200, chunks=chunks))
    )

    assert written.response is not None
    assert len(written.response.chunks) == len(chunks)
    assert [json.loads(chunk[6:])["delta"] for chunk in written.response.chunks] == ["<secret:A_TOKEN>", "", "", ""]


def test_what_a_scope_learns_by_the_way_stays_its_own() -> None:
    whole = Scrubber({})
    one, other = whole.scoped(), whole.scoped()
    one.request(executed(f"env -- CACHE_TOKEN=linux1 A_TOKEN={TOKEN} ls"))

    assert one.text("linux1") == "<secret:CACHE_TOKEN>"
    assert other.text(f"linux1 {TOKEN}") == "linux1 <secret:A_TOKEN>"


@pytest.mark.parametrize("value", [TOKEN, "x", ""])
def test_in_a_description_of_a_sandbox_the_names_of_variables_decide(value: str) -> None:
    def described(value: str) -> str:
        variables = {"A_TOKEN": value, "LANG": "C"}
        options = {"env_vars": variables, "manifest": {"environment": {"value": variables}}}
        return json.dumps({"options": options, "commands": [f"A_TOKEN={value} make"], "files": {"a": "tk"}})

    whole = Scrubber({})

    assert whole.description(described(value)) == described("<secret:A_TOKEN>")


def test_what_a_description_shows_changes_nothing_else() -> None:
    whole = Scrubber({})
    whole.description(json.dumps({"env_vars": {"A_TOKEN": "hunter2"}}))

    assert whole.text("hunter2") == "hunter2"


def test_what_the_user_names_is_hidden_however_plain_it_is() -> None:
    assert Scrubber({}, {"COMPANY": "acme-inc"}).text("at acme-inc") == "at <secret:COMPANY>"


def test_leaks_are_found_in_compressed_content_and_named_without_their_value() -> None:
    scrubber = Scrubber({"A_TOKEN": TOKEN})
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a", TOKEN * 9)

    for data in (
        gzip.compress(TOKEN.encode() * 9),
        archive.getvalue(),
        b'{"base64": "%s"}',
        TOKEN.encode().hex().encode(),
    ):
        full = data % base64.b64encode(gzip.compress(TOKEN.encode() * 9)) if b"%s" in data else data
        assert scrubber.leaks(full) == ["A_TOKEN"]
    assert scrubber.leaks(b"<secret:A_TOKEN> secret-tunnel-key-dbx_1") == []


def test_five_megabytes_of_noise_are_left_as_they_are() -> None:
    scrubber = Scrubber({f"N{n}_TOKEN": f"{n}-{TOKEN}" for n in range(10)})
    request = Request(method="POST", host=RUNLOOP, path="/v1/devboxes/d/upload_file", body=os.urandom(5_000_000))

    assert scrubber.request(request) is request


def in_megabytes(spelled: bytes, *, kind: str) -> bytes:
    """Return something long of this kind, which holds a spelling in its middle."""
    rng = random.Random(1)  # noqa: S311 - the same in every run
    half = rng.randbytes(1_500_000)
    if kind == "binary":
        return half + b"\0" + spelled + b"\0" + half
    if kind == "lines":
        half = b"".join(b"%d is what a line of a log says\n" % rng.randrange(10**9) for _ in range(30_000))
    elif kind == "base64":
        half = base64.b64encode(half)
    return half + b" " + spelled + b" " + half


SPELLED = {
    "plain": TOKEN.encode(),
    "base64": base64.b64encode(b"a:" + TOKEN.encode()),
    "hex": TOKEN.encode().hex().encode(),
}


@pytest.mark.parametrize("spelling", SPELLED)
@pytest.mark.parametrize("kind", ["binary", "lines", "base64"])
def test_a_secret_amid_megabytes_is_hidden(kind: str, spelling: str) -> None:
    spelled = SPELLED[spelling]
    long = in_megabytes(spelled, kind=kind)
    request = Request(method="POST", host=RUNLOOP, path="/v1/devboxes/d/upload_file", body=long)
    shows = executed(f"env -- API_TOKEN={TOKEN} ls")
    told = Scrubber({}, {"API_TOKEN": TOKEN})
    taken = [Exchange(request=request, response=Response(status=200, chunks=(long,)))]

    assert told.leaks(long) == ["API_TOKEN"]
    for written in (told.exchanges(taken), Scrubber({}).exchanges([*taken, Exchange(request=shows, response=None)])):
        assert written[0].response is not None
        for body in (written[0].request.body, written[0].response.content):
            assert spelled not in body
            assert (body[:1_000_000], body[-1_000_000:]) == (long[:1_000_000], long[-1_000_000:])


def test_a_key_amid_megabytes_is_hidden() -> None:
    key = b"ghp_" + b"a1B2" * 9
    for kind in ("binary", "lines", "base64"):
        long = in_megabytes(key, kind=kind)
        request = Request(method="POST", host=RUNLOOP, path="/v1/devboxes/d/upload_file", body=long)
        assert Scrubber({}).leaks(long) == ["github-token"]
        assert Scrubber({}).request(request).body == long.replace(key, b"<secret:github-token>")

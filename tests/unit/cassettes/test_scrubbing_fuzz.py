"""Generated exchanges with planted secrets: none survives in any spelling, and its value leaves no trace.

What looks for survivors shares nothing with the code under test: it decodes what it finds and looks again.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import random
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus, unquote_plus

import pytest

from pytest_runloop.cassettes.exchange import OPENAI, RUNLOOP, Exchange, Request, Response
from pytest_runloop.cassettes.secrets.scrubbing import Scrubber

NAMES = ("API_TOKEN", "DB_PASSWORD", "SERVICE_KEY", "client_secret", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY")
PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
NASTY = PLAIN + "/+=.!$&'\"\\ @:#%?*()[]{}|;~^é雪"
EXCHANGES = int(os.environ.get("FUZZ_EXCHANGES", "2000"))
"""About 5 ms each, nearly all of it for the search for survivors; 10,000 are for changes of what is tested here."""

WORDS = (
    "echo",
    "ls -la",
    "python -m pytest",
    "cat a.txt",
    "test",
    "key",
    "token",
    "path=/usr/bin",
    "MAX_TOKENS=5",
    "größe",
)


class Dice(random.Random):
    """Decides what is generated."""


@dataclass(frozen=True)
class Known:
    """The secrets of one run: told, in the environment, or only shown by requests."""

    values: dict[str, str]

    @property
    def needs_no_quotes(self) -> bool:
        """Tell whether a command within JSON within JSON can be compared with one that has other values."""
        return all(value == shlex.quote(value) for value in self.values.values())

    def scrubber(self) -> Scrubber:
        scrubber = Scrubber({name: self.values[name] for name in ("GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY")})
        scrubber.know("SERVICE_KEY", self.values["SERVICE_KEY"])
        return scrubber.scoped()


def made(rng: Dice, *, alphabet: str) -> str:
    """Make a value that nobody would write by chance."""
    middle = "".join(rng.choice(alphabet) for _ in range(rng.randint(8, 40)))
    return f"{rng.choice('abcXYZ')}{rng.randint(10, 99)}{middle}{rng.choice('qwzQWZ')}{rng.randint(10, 99)}"


def secrets(rng: Dice, *, alphabet: str) -> Known:
    return Known({name: made(rng, alphabet=alphabet) for name in NAMES})


def filler(rng: Dice) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(0, 6)))


def shell(rng: Dice, known: Known) -> str:
    """Make a command as the sandbox client does: variables, then a script in quotes, which may hold another."""
    chosen = rng.sample(NAMES, 2)
    assigned = " ".join(shlex.quote(f"{name}={known.values[name]}") for name in sorted(chosen))
    inner = rng.choice([
        f"{filler(rng)} && export {chosen[0]}={shlex.quote(known.values[chosen[0]])}; echo ${chosen[0]}",
        f"curl -H {shlex.quote('Authorization: Bearer ' + known.values[chosen[1]])} http://h/{rng.randint(1, 9)}",
        f"printf %s {shlex.quote(known.values[chosen[0]])} > a.txt",
        f"git clone https://u:{quote(known.values[chosen[1]], safe='')}@example.org/x.git",
        f"echo {packed(rng, known.values[chosen[0]])} | base64 -d > {rng.randint(1, 9)}.txt",
        f"sh -c {shlex.quote('sh -c ' + shlex.quote('echo ' + shlex.quote(known.values[chosen[1]])))}",
        f"curl 'http://127.0.0.1/?q={quote_plus(known.values[chosen[0]])}&n={rng.randint(1, 9)}'",
    ])  # fmt: skip
    return f"cd /workspace && env -- {assigned} sh -lc {shlex.quote(inner)}"


def packed(rng: Dice, value: str) -> str:
    """Encode a file that holds a value somewhere."""
    before = bytes(rng.randrange(256) for _ in range(rng.randint(0, 40)))
    return base64.b64encode(before + b"\n" + value.encode() + b"\n" + before[:7]).decode()


def created(rng: Dice, known: Known) -> Request:
    body = {
        "name": f"box-{rng.randint(1, 9)}",
        "environment_variables": {name: known.values[name] for name in NAMES} | {"LANG": "C"},
        "launch_parameters": {"launch_commands": [shell(rng, known), filler(rng)]},
        "metadata": {"deep": {"er": [filler(rng), {"text": f"it is {known.values['API_TOKEN']}!"}]}},
    }
    return posted("/v1/devboxes/create_and_await_running", body)


def executed(rng: Dice, known: Known) -> Request:
    return posted("/v1/devboxes/dbx_1/execute_async", {"command": shell(rng, known), "shell_name": None})


def told(rng: Dice, known: Known) -> Request:
    return posted("/v1/secrets", {"name": "DB_PASSWORD", "value": known.values["DB_PASSWORD"]})


def uploaded(rng: Dice, known: Known) -> Request:
    name = rng.choice(NAMES)
    value = known.values[name]
    said = rng.choice([json.dumps(value), value, packed(rng, value), quote_plus(value)])
    part = f'--b1\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n{filler(rng)}\n{said}\n\r\n--b1--'
    return Request(
        method="POST", host=RUNLOOP, path="/v1/devboxes/dbx_1/upload_file",
        content_type="multipart/form-data; boundary=b1", body=part.encode(),
    )  # fmt: skip


def sent(rng: Dice, known: Known) -> Request:
    text = "&".join(f"{name}={quote_plus(known.values[name])}" for name in rng.sample(NAMES, 2)) + "&n=1"
    return Request(
        method="POST", host="8000.dbx_1.sandbox", path=f"/login?n={rng.randint(1, 9)}",
        content_type="application/x-www-form-urlencoded", body=text.encode(),
    )  # fmt: skip


def asked(rng: Dice, known: Known) -> Request:
    script = shell(rng, known) if known.needs_no_quotes else filler(rng)
    call = json.dumps({"cmd": script, "config": json.dumps({"it": known.values[rng.choice(NAMES)]})})
    return posted("/v1/responses", {"input": [{"type": "function_call", "arguments": call}], "model": "m"}, host=OPENAI)


def posted(path: str, body: object, *, host: str = RUNLOOP) -> Request:
    data = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    return Request(method="POST", host=host, path=path, content_type="application/json", body=data)


def answered(rng: Dice, known: Known) -> Response:
    value = known.values[rng.choice(NAMES)]
    said = rng.choice([
        value, f"API_TOKEN={value}\n", packed(rng, value),
        base64.encodebytes(b"x" * rng.randint(30, 70) + value.encode()).decode(),
        json.dumps({"a": [value]}), json.dumps(json.dumps({"a": value})), quote(value), shlex.quote(value),
        value.encode().hex(), base64.urlsafe_b64encode(value.encode()).decode().rstrip("="),
    ])  # fmt: skip
    if rng.random() < 0.3:
        return streamed(rng, said)
    body = {
        "stdout": f"{filler(rng)}\n{said}",
        "exit_status": 0,
        "tunnel": {"tunnel_key": "tk9xk2l5m1", "auth_token": "to1ken2AB"},
    }
    return Response(status=200, headers={"content-type": "application/json"}, chunks=(json.dumps(body).encode(),))


def streamed(rng: Dice, said: str) -> Response:
    """Send a text in pieces of random length."""
    events, at = [], 0
    while at < len(said):
        size = rng.randint(1, 9)
        piece = json.dumps({"type": "delta", "item_id": "i", "delta": said[at : at + size]})
        events.append(f"event: delta\ndata: {piece}\n\n".encode())
        at += size
    events.append(f"data: {json.dumps({'type': 'done', 'text': said})}\n\n".encode())
    return Response(status=200, headers={"content-type": "text/event-stream"}, chunks=tuple(events))


MAKERS: tuple[Callable[[Dice, Known], Request], ...] = (created, executed, told, uploaded, sent, asked)


def survivors(data: str, values: dict[str, str], *, depth: int = 3) -> list[str]:
    """Decode whatever can be decoded, and look for values in all of it."""
    found = [name for name, value in values.items() if value in data]
    if depth == 0 or found:
        return found
    inside = {unquote_plus(data), data.replace("'\"'\"'", "'").replace("'\\''", "'"), re.sub(r"\\(.)", r"\1", data)}
    for text in re.findall(r'"(?:[^"\\]|\\.)*"', data):
        try:
            inside.add(str(json.loads(text)))
        except ValueError:
            continue
    for run in re.findall(r"[A-Za-z0-9+/_\-]{8,}(?:\n[A-Za-z0-9+/_\-]+)*", data):
        flat = run.replace("\n", "").translate(str.maketrans("-_", "+/"))
        for start in range(4):
            body = flat[start:]
            body = body[: len(body) - (len(body) % 4 == 1)]
            inside.add(base64.b64decode(body + "=" * (-len(body) % 4)).decode("utf-8", "replace"))
    for run in re.findall(r"(?:[0-9a-f]{2}){6,}", data):
        inside.add(binascii.unhexlify(run).decode("utf-8", "replace"))
    return sorted({name for text in inside - {data} for name in survivors(text, values, depth=depth - 1)})


def everything(exchange: Exchange) -> str:
    response = exchange.response
    said = response.content if response else b""
    deltas = "".join(str(one) for one in re.findall(r'"delta":\s?"((?:[^"\\]|\\.)*)"', said.decode("utf-8", "replace")))
    return "\n".join((exchange.request.path, exchange.request.body.decode(), said.decode("utf-8", "replace"), deltas))


def check(seed: int, *, alphabet: str) -> None:
    rng = Dice(seed)
    recorded, today = secrets(rng, alphabet=alphabet), secrets(rng, alphabet=alphabet)
    makers = [created, *(rng.choice(MAKERS) for _ in range(9))]
    seeds = [rng.random() for _ in makers]
    exchanges = [
        Exchange(request=make(Dice(own), recorded), response=answered(Dice(own), recorded))
        for make, own in zip(makers, seeds, strict=True)
    ]
    recorder = recorded.scrubber()
    written = recorder.exchanges(exchanges)
    assert written == tuple(map(recorder.exchange, exchanges))  # it leaves out what would change nothing

    for exchange in written:
        assert survivors(everything(exchange), recorded.values) == []
        assert recorder.leaks(everything(exchange).encode()) == []
    assert tuple(map(recorder.exchange, written)) == written

    replayer = today.scrubber()
    for make, own, exchange in zip(makers, seeds, written, strict=True):
        live = replayer.request(make(Dice(own), today))
        assert (live.path, live.body.decode()) == (exchange.request.path, exchange.request.body.decode())


@pytest.mark.parametrize("alphabet", [PLAIN, NASTY], ids=["plain", "nasty"])
@pytest.mark.parametrize("part", range(4))
def test_no_secret_survives_and_its_value_leaves_no_trace(part: int, alphabet: str) -> None:
    """Values as keys usually have, and values that every encoding changes."""
    count = EXCHANGES // 10 // 8
    for seed in range(part * count, (part + 1) * count):
        check(seed, alphabet=alphabet)

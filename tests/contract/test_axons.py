"""Axons, as the vendor's clients have them."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from runloop_api_client import NotFoundError, RunloopSDK
from runloop_api_client.sdk import Axon
from runloop_api_client.types import AxonEventView, AxonView
from runloop_api_client.types.axons import AxonEventListView, SqlBatchResultView, SqlQueryResultView

from tests.contract.conftest import Service

Create = Callable[..., Axon]
Query = Callable[..., Any]


@pytest.fixture(name="create_axon")
def make_axons(sdk: RunloopSDK) -> Iterator[Create]:
    made: list[Axon] = []

    def make(**fields: Any) -> Axon:  # noqa: ANN401 - whatever an axon takes
        made.append(sdk.axon.create(**fields))
        return made[-1]

    yield make
    for one in made:
        sdk.api.axons.delete(one.id)


@pytest.fixture(name="axon")
def one_axon(create_axon: Create) -> Axon:
    return create_axon()


@pytest.fixture(name="path")
def path_of_axon(axon: Axon) -> str:
    return f"/v1/axons/{axon.id}"


def publish(axon: Axon, payload: str = "{}") -> int:
    return axon.publish(event_type="push", origin="USER_EVENT", payload=payload, source="github").sequence


def heard(http: httpx.Client, path: str, *, number: int, after: int | None = None) -> list[dict[str, Any]]:
    """Give the first events of a subscription."""
    query = {} if after is None else {"after_sequence": after}
    events: list[dict[str, Any]] = []
    with http.stream("GET", f"{path}/subscribe/sse", params=query) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line.removeprefix("data: ")))
            if len(events) == number:
                break
    return events


def test_an_axon_needs_nothing_to_be_made(sdk: RunloopSDK, axon: Axon) -> None:
    """Axon API: create and get."""
    info = sdk.axon.from_id(axon.id).get_info()

    assert info.id.startswith("axn_")
    assert info.created_at_ms > 0
    assert (info.name, info.metadata) == (None, {})


def test_metadata_is_replaced_or_left(sdk: RunloopSDK, create_axon: Create) -> None:
    """Axon API, update: omitted leaves, an empty map clears."""
    axon = create_axon(name="n", metadata={"a": "1"})

    assert sdk.api.axons.update(axon.id).metadata == {"a": "1"}
    assert sdk.api.axons.update(axon.id, metadata={"b": "2"}).metadata == {"b": "2"}
    assert sdk.api.axons.update(axon.id, metadata={}).metadata == {}
    assert axon.get_info().name == "n"


def test_lists_are_filtered(sdk: RunloopSDK, create_axon: Create) -> None:
    """Axon API, list: by id, beginning of the name, search and metadata, newest first."""
    mark = uuid.uuid4().hex
    first, second = (create_axon(name=f"{mark}-{n}", metadata={"mark": mark, "n": n}) for n in "12")

    def listed(**query: Any) -> list[str]:  # noqa: ANN401 - any query
        return [one.id for one in sdk.api.axons.list(**query).axons]

    assert listed(name=mark) == listed(search=mark.upper()) == [second.id, first.id]
    assert listed(name="x" + mark) == listed(name=f"{mark[1:]}") == []
    assert listed(id=first.id) == [first.id]
    assert listed(extra_query={"metadata[mark]": mark, "metadata[n][in]": "1,3"}) == [first.id]
    assert [one.id for one in sdk.axon.list(name=mark, limit=1)][:1] == [second.id]


def test_a_deleted_axon_is_gone(sdk: RunloopSDK, emulator: Service) -> None:
    """Axon API, delete."""
    axon = sdk.axon.create()
    publish(axon)
    sdk.api.axons.delete(axon.id)

    for use in (axon.get_info, lambda: publish(axon), lambda: axon.sql.query(sql="SELECT 1")):
        with pytest.raises(NotFoundError):
            use()


def test_events_have_ever_greater_numbers(axon: Axon) -> None:
    """Axon API, publish."""
    result = axon.publish(event_type="push", origin="AGENT_EVENT", payload="{}", source="s")

    assert result.timestamp_ms > 0
    assert result.sequence < publish(axon) < publish(axon)


def test_a_repeated_publish_is_one_event(emulator: Service, http: httpx.Client, path: str) -> None:
    """A client that lost the answer sends the request again."""
    event = {"event_type": "e", "origin": "USER_EVENT", "payload": "{}", "source": "s"}
    answers = [http.post(f"{path}/publish", json=event, headers={"x-request-id": "same"}).json() for _ in range(2)]

    assert answers[0] == answers[1]
    assert http.get(f"{path}/events").json()["total_count"] == 1


def test_events_are_listed_newest_first(http: httpx.Client, sdk: RunloopSDK, axon: Axon, path: str) -> None:
    """Axon API, events."""
    sequences = [publish(axon, f'{{"n": {n}}}') for n in range(3)]

    page = sdk.api.axons.events.list(axon.id, limit=2)

    assert [one.sequence for one in page.events] == sequences[:0:-1]
    assert (page.events[0].payload, page.events[0].origin, page.events[0].axon_id) == (
        '{"n": 2}',
        "USER_EVENT",
        axon.id,
    )
    rest = http.get(f"{path}/events", params={"starting_after": page.events[-1].sequence}).json()
    assert ([one["sequence"] for one in rest["events"]], rest["has_more"], rest["total_count"]) == (
        [sequences[0]],
        False,
        3,
    )


def test_a_subscription_replays_and_goes_on(axon: Axon) -> None:
    """Axon API, subscribe: from the start, then what comes."""
    first = publish(axon, "1")
    stream = axon.subscribe_sse()
    following = getattr(stream, "__next__", None) or stream.__anext__  # type: ignore[attr-defined] # of the other client

    assert following().sequence == first
    second = publish(axon, "2")
    event = following()
    assert (event.sequence, event.payload, event.axon_id) == (second, "2", axon.id)


def test_a_subscription_wakes_up_at_once(emulator: Service, http: httpx.Client, axon: Axon, path: str) -> None:
    """An event that comes while nobody has anything to say is heard; none is heard twice."""
    first = publish(axon)
    event = {"event_type": "e", "origin": "USER_EVENT", "payload": "late", "source": "s"}
    late = threading.Timer(0.3, http.post, (f"{path}/publish",), {"json": event})
    late.start()

    events = heard(http, path, number=1, after=first)

    late.join()
    assert (events[0]["sequence"], events[0]["payload"]) == (first + 1, "late")


def test_a_subscription_resumes_after_an_event(http: httpx.Client, axon: Axon, path: str) -> None:
    """Axon API, subscribe: after_sequence."""
    sequences = [publish(axon) for _ in range(3)]

    assert [one["sequence"] for one in heard(http, path, number=2, after=sequences[0])] == sequences[1:]


def test_a_quiet_subscription_is_kept_alive(emulator: Service, http: httpx.Client, path: str) -> None:
    """The vendor's client gives up after 30 s of silence."""
    with http.stream("GET", f"{path}/subscribe/sse", timeout=20) as answer:
        assert next(answer.iter_lines()).startswith(":")


def test_the_subscription_of_a_deleted_axon_ends(emulator: Service, http: httpx.Client) -> None:
    """Nobody waits for what can't come."""
    path = f"/v1/axons/{http.post('/v1/axons', json={}).json()['id']}"
    with http.stream("GET", f"{path}/subscribe/sse", timeout=20) as answer:
        http.delete(path).raise_for_status()
        assert list(answer.iter_lines()) == []


def test_shapes(http: httpx.Client, axon: Axon, path: str) -> None:
    """Answers against the client's own models, which the client itself does not check."""
    publish(axon)
    (event,) = heard(http, path, number=1)
    assert not AxonEventView.model_validate(event, strict=True).model_extra
    query = {"sql": "SELECT 1"}
    for model, answer in (
        (AxonView, http.get(path)),
        (AxonEventListView, http.get(f"{path}/events")),
        (SqlQueryResultView, http.post(f"{path}/sql/query", json=query)),
        (SqlBatchResultView, http.post(f"{path}/sql/batch", json={"statements": [query]})),
    ):
        parsed = model.model_validate_json(answer.raise_for_status().content, strict=True)
        assert not parsed.model_extra

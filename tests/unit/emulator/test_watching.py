from __future__ import annotations

import pytest

from pytest_runloop.emulator.domain.lifecycle import Event
from pytest_runloop.emulator.domain.usage import usage
from pytest_runloop.emulator.service.evictions import Eviction, Evictions
from tests.unit.emulator.conftest import Bench


def test_whoever_watches_is_told_of_evictions(bench: Bench) -> None:
    emulator = bench.emulator()
    first, second, ended = (bench.create(emulator).id for _ in range(3))
    evictions: Evictions = emulator.evictions
    evictions.announce(first, deadline_ms=1)
    evictions.announce(ended, deadline_ms=2)
    bench.call(emulator.devboxes.shut_down, ended, force=False)

    async def watching() -> list[Eviction | None]:
        stream = evictions.watch()
        pending = await stream.__anext__()
        evictions.announce(second, deadline_ms=3)
        further = await stream.__anext__()
        await stream.aclose()  # type: ignore[attr-defined] # it is a generator
        return [pending, further]

    told = bench.do(watching())

    assert told == [Eviction(devbox_id=first, deadline_ms=1), Eviction(devbox_id=second, deadline_ms=3)]
    assert evictions._listeners == set()


def test_whoever_watches_a_quiet_stream_hears_that_it_is_open(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_runloop.emulator.service.evictions._HEARTBEAT_S", 0.01)
    evictions = bench.emulator().evictions

    async def watching() -> Eviction | None:
        stream = evictions.watch()
        await stream.__anext__()
        evictions.announce("dbx_a", deadline_ms=1)
        return await stream.__anext__()

    assert bench.do(watching()) == Eviction(devbox_id="dbx_a", deadline_ms=1)


@pytest.mark.parametrize(
    ("parameters", "cores", "memory", "disk"),
    [
        ({}, 1, 2, 4),
        ({"resource_size_request": "X_SMALL"}, 0.5, 1, 4),
        ({"resource_size_request": "XX_LARGE"}, 8, 32, 16),
        ({"resource_size_request": "CUSTOM_SIZE", "custom_cpu_cores": 4, "custom_gb_memory": 8}, 4, 8, 4),
    ],
)
def test_use_is_time_by_size(bench: Bench, parameters: dict[str, object], cores: float, memory: int, disk: int) -> None:
    devbox = bench.create(bench.emulator(), launch_parameters=parameters)
    start = devbox.create_time_ms
    suspended = devbox.after(Event.SUSPEND, now_ms=start + 10_000).after(Event.HALT, now_ms=start + 10_000)
    over = suspended.after(Event.SHUT_DOWN, now_ms=start + 60_000)

    found = usage(over, now_ms=start + 10**9)

    assert (found["total_active_seconds"], found["total_elapsed_seconds"]) == (10, 60)
    assert (found["vcpu_seconds"], found["memory_gb_seconds"]) == (10 * cores, 10 * memory)
    assert found["disk_gb_seconds"] == 60 * disk
    assert usage(suspended, now_ms=start + 30_000)["disk_gb_seconds"] == 30 * disk

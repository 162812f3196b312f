"""What a devbox has used so far, worked out from when it had which status. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pytest_runloop.emulator.domain.launch import CUSTOM, GIB
from pytest_runloop.emulator.domain.lifecycle import Status
from pytest_runloop.emulator.domain.records import Devbox

_SIZES: Mapping[str, tuple[float, int]] = MappingProxyType(
    {
        "X_SMALL": (0.5, 4),
        "SMALL": (1, 4),
        "MEDIUM": (2, 8),
        "LARGE": (2, 16),
        "X_LARGE": (4, 16),
        "XX_LARGE": (8, 16),
    }
)
"""Cores and GiB of disk that a size stands for; the emulator gives neither, it only counts them."""
_CUSTOM_CORES, _CUSTOM_DISK = 1, 4


def usage(devbox: Devbox, *, now_ms: int) -> dict[str, Any]:
    """Print what a devbox has used: memory and cores while it is not suspended, its disk all the time."""
    end_ms = devbox.end_time_ms or now_ms
    elapsed_s = max(0, end_ms - devbox.create_time_ms) / 1000
    active_s = _active_ms(devbox, end_ms) / 1000
    cores, disk_gb = _size(devbox.launch_parameters)
    return {
        "id": devbox.id,
        "status": devbox.status.value,
        "start_time_ms": devbox.create_time_ms,
        "end_time_ms": devbox.end_time_ms,
        "total_elapsed_seconds": int(elapsed_s),
        "total_active_seconds": int(active_s),
        "vcpu_seconds": int(active_s * cores),
        "memory_gb_seconds": int(active_s * devbox.launch.memory_bytes / GIB),
        "disk_gb_seconds": int(elapsed_s * disk_gb),
    }


def _active_ms(devbox: Devbox, end_ms: int) -> int:
    ends = [*(transition.time_ms for transition in devbox.transitions[1:]), end_ms]
    return sum(
        max(0, end - transition.time_ms)
        for transition, end in zip(devbox.transitions, ends, strict=True)
        if transition.status is not Status.SUSPENDED and not transition.status.is_over
    )


def _size(parameters: Mapping[str, Any]) -> tuple[float, float]:
    size = parameters.get("resource_size_request") or "SMALL"
    if size == CUSTOM:
        return parameters.get("custom_cpu_cores") or _CUSTOM_CORES, parameters.get("custom_disk_size") or _CUSTOM_DISK
    return _SIZES[size]

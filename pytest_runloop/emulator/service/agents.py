"""Agents: programs that can be mounted into devboxes by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_runloop.emulator.domain.agents import check_mountable
from pytest_runloop.emulator.domain.catalog import Filter, Record
from pytest_runloop.emulator.domain.problems import bad_request
from pytest_runloop.emulator.service.catalog import Catalog
from pytest_runloop.emulator.service.identity import now_ms
from pytest_runloop.emulator.service.paging import Cursor, Page, paginate

if TYPE_CHECKING:
    from pytest_runloop.emulator.service.objects import Objects
    from pytest_runloop.emulator.service.store import Store

_LATEST = "latest"


class Agents:
    """The agents.

    Attributes:
        catalog: Their records.
    """

    def __init__(self, store: Store, objects: Callable[[], Objects]) -> None:
        self.catalog = Catalog(store, kind="Agent", prefix="agt")
        self._store = store
        self._objects = objects

    async def create(self, fields: Mapping[str, Any], *, request_id: str) -> Record:
        """Keep an agent. Its name may be taken: by its name, the newest is meant.

        Raises:
            ApiProblem: 400, if its object isn't there.
        """
        self._check_object(fields["source"], field="source.object.object_id")
        return await self.catalog.create({**fields, "create_time_ms": now_ms()}, request_id=request_id)

    def page(self, wanted: Filter, cursor: Cursor, *, version: str | None) -> Page[Record]:
        """List agents, newest first.

        Args:
            wanted: Which ones.
            cursor: Which page.
            version: Only those of this version; ``latest`` for the newest of each name.
        """
        found = filter(wanted.accepts, self.catalog.all())
        if version == _LATEST:
            return paginate(_newest(found), cursor)
        return paginate((agent for agent in found if version in {None, "", agent.fields["version"]}), cursor)

    def mountable(self, mount: Mapping[str, str], *, field: str) -> Record:
        """Find the agent that a devbox's mount means.

        Raises:
            ApiProblem: 400, if there is none or it can't be mounted so.
        """
        agent = self._meant(mount)
        if agent is None:
            name = mount.get("agent_id") or mount.get("agent_name")
            raise bad_request(f"{field}: there is no agent {name!r}; create it first.")
        check_mountable(agent, mount, field=field)
        self._check_object(agent.fields["source"], field=field)
        return agent

    def devbox_counts(self) -> dict[str, int]:
        """Count the devboxes that have not ended, by the names of the agents in them."""
        mounts = (
            {agent.name for mount in devbox.mounts if (agent := self._mounted(mount)) is not None}
            for devbox in self._store.devboxes()
            if not devbox.status.is_over
        )
        return dict(Counter(name for names in mounts for name in names))

    def _mounted(self, mount: Mapping[str, str]) -> Record | None:
        return self._meant(mount) if mount["type"] == "agent_mount" else None

    def _meant(self, mount: Mapping[str, str]) -> Record | None:
        given_id, name = mount.get("agent_id"), mount.get("agent_name")
        return next((one for one in self.catalog.all() if (one.id == given_id if given_id else one.name == name)), None)

    def _check_object(self, source: Mapping[str, Any] | None, *, field: str) -> None:
        if source is not None and source["type"] == "object":
            self._objects().readable(source["object"]["object_id"], field=field)


def _newest(agents: Iterator[Record]) -> Iterator[Record]:
    seen: set[str] = set()
    for agent in agents:
        if agent.name not in seen:
            seen.add(agent.name)
            yield agent

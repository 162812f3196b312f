"""Scoring a scenario run: its scorers run in its devbox, one after another, within the scenario's time."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.domain.scoring import Grade, Task, grade, satisfies, task, total
from pytest_runloop.emulator.service.executions import Command
from pytest_runloop.emulator.service.identity import fresh_key
from pytest_runloop.emulator.service.outputs import tail

if TYPE_CHECKING:
    from pytest_runloop.emulator.domain.catalog import Record
    from pytest_runloop.emulator.service.catalog import Catalog
    from pytest_runloop.emulator.service.execution import Execution
    from pytest_runloop.emulator.service.executions import Executions
    from pytest_runloop.emulator.service.files import Files

_LINES = 1000
_KEPT = 64 * 1024
"""Characters of a scorer's output that are kept, from the end."""
_PYTHON_VERSION = "python3 -c 'import platform; print(platform.python_version())'"


class OutOfTime(Exception):
    """Report that the scorers took longer than the scenario allows."""


class _Obstacle(Exception):
    """Report why a scorer can't be run."""


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where scorers run and until when.

    Attributes:
        directory: None for the home directory.
        deadline: By the event loop's clock.
    """

    devbox_id: str
    directory: str | None
    deadline: float


class Scoring:
    """Runs scorers."""

    def __init__(self, executions: Executions, files: Files, scorers: Catalog) -> None:
        self._executions = executions
        self._files = files
        self._scorers = scorers

    async def score(self, devbox_id: str, scenario: Record) -> dict[str, Any]:
        """Run all scorers of a scenario and give the result as the API shows it.

        Raises:
            ApiProblem: The devbox can't be worked with.
            OutOfTime: It took too long.
        """
        functions = scenario.fields["scoring_contract"]["scoring_function_parameters"]
        place = _Place(
            devbox_id=devbox_id,
            directory=(scenario.fields["environment"] or {}).get("working_directory") or None,
            deadline=asyncio.get_running_loop().time() + scenario.fields["scorer_timeout_sec"],
        )
        grades = [await self._grade(place, one["scorer"]) for one in functions]
        results = [_view(one["name"], result) for one, result in zip(functions, grades, strict=True)]
        score = total([one["weight"] for one in functions], [one.score for one in grades])
        return {"score": score, "scoring_function_results": results}

    async def _grade(self, place: _Place, scorer: Mapping[str, Any]) -> Grade:
        scratch = f"/tmp/scorer-{fresh_key(12)}"  # noqa: S108 - in the devbox
        try:
            custom = self._custom_script(scorer)
            await self._check(place, scorer)
            work = task(scorer, scratch=scratch, working_directory=place.directory, custom_script=custom)
            await self._write(place, work)
            ended = await self._run(place, work.command)
        except _Obstacle as obstacle:
            return Grade(score=0.0, output="", error=str(obstacle))
        finally:
            # What comes later in this devbox must not read how it is scored.
            await self._remove(place, scratch)
        stdout, stderr = (tail(ended.output(name), lines=_LINES)[0] for name in ("stdout", "stderr"))
        assert ended.exit_status is not None  # noqa: S101 - it has ended
        return grade(scorer, exit_status=ended.exit_status, stdout=stdout, output=(stdout + stderr)[-_KEPT:])

    def _custom_script(self, scorer: Mapping[str, Any]) -> str:
        kind = scorer.get("custom_scorer_type")
        if kind is None:
            return ""
        found = next((one for one in self._scorers.all() if one.fields["type"] == kind), None)
        if found is None:
            raise _Obstacle(f"There is no custom scorer of type {kind!r} any more; create it again.")
        return str(found.fields["bash_script"])

    async def _check(self, place: _Place, scorer: Mapping[str, Any]) -> None:
        if place.directory and (await self._run(place, f"cd -- {shlex.quote(place.directory)}")).exit_status != 0:
            raise _Obstacle(f"The working directory {place.directory!r} can't be entered; is it in the devbox?")
        constraint = scorer.get("python_version_constraint")
        if not constraint:
            return
        asked = await self._run(place, _PYTHON_VERSION)
        version = tail(asked.output("stdout"), lines=1)[0].strip().rstrip("+")
        if asked.exit_status != 0 or not satisfies(version, constraint):
            raise _Obstacle(f"The devbox's python3 is {version or 'missing'}; the scorer wants {constraint}.")

    async def _write(self, place: _Place, work: Task) -> None:
        for path, text in work.files.items():
            try:
                await self._files.write(place.devbox_id, path, text.encode())
            except ApiProblem as problem:
                raise _Obstacle(f"A file of the scorer can't be written: {problem.message}") from problem

    async def _remove(self, place: _Place, scratch: str) -> None:
        try:
            await self._executions.run(place.devbox_id, Command(text=f"rm -rf {scratch}"))
        except ApiProblem:
            return  # the devbox has ended, and its disk with it

    async def _run(self, place: _Place, command: str) -> Execution:
        left_s = place.deadline - asyncio.get_running_loop().time()
        if left_s <= 0:
            raise OutOfTime
        execution = await self._executions.start(place.devbox_id, Command(text=command))
        if not await execution.wait(timeout_s=left_s):
            await self._executions.kill(place.devbox_id, execution.id, group=True)
            raise OutOfTime
        return execution


def _view(name: str, result: Grade) -> dict[str, object]:
    return {
        "scoring_function_name": name,
        "score": result.score,
        "output": "\n".join(part for part in (result.output, result.error) if part),
        "state": "error" if result.error else "complete",
    }

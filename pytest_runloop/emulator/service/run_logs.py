"""Archives of what is known of runs: their records and the logs of their devboxes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.problems import ApiProblem

if TYPE_CHECKING:
    from pytest_runloop.emulator.domain.catalog import Record
    from pytest_runloop.emulator.domain.records import LogEntry
    from pytest_runloop.emulator.service.benchmarks import BenchmarkRuns
    from pytest_runloop.emulator.service.logs import Logs
    from pytest_runloop.emulator.service.scenario_runs import ScenarioRuns


class RunLogs:
    """The logs of scenario runs and benchmark runs."""

    def __init__(self, logs: Logs, scenario_runs: ScenarioRuns, benchmark_runs: BenchmarkRuns) -> None:
        self._logs = logs
        self._scenario_runs = scenario_runs
        self._benchmark_runs = benchmark_runs

    def of_scenario_run(self, run_id: str) -> bytes:
        """Pack a scenario run: its record, and its devbox's log as text and as records.

        Raises:
            ApiProblem: 404.
        """
        return _packed(self._files(self._scenario_runs.get(run_id)))

    def of_benchmark_run(self, run_id: str) -> bytes:
        """Pack a benchmark run: its record, and a directory for each of its scenario runs.

        Raises:
            ApiProblem: 404.
        """
        files = {"benchmark_run.json": json.dumps(self._benchmark_runs.get(run_id).view, indent=2)}
        for part in self._benchmark_runs.parts(run_id):
            files |= {f"{part.id}/{name}": text for name, text in self._files(part).items()}
        return _packed(files)

    def _files(self, run: Record) -> dict[str, str]:
        devbox_id = run.fields["devbox_id"]
        try:
            entries = self._logs.entries(devbox_id, execution_id=None, shell_name=None)
        except ApiProblem:  # a devbox that ended long ago is forgotten
            entries = []
        return {
            "scenario_run.json": json.dumps(run.view, indent=2),
            f"{devbox_id}.log": "".join(f"{_line(entry)}\n" for entry in entries),
            f"{devbox_id}.jsonl": "".join(f"{json.dumps(asdict(entry))}\n" for entry in entries),
        }


def _line(entry: LogEntry) -> str:
    what = entry.message if entry.message is not None else entry.cmd and f"$ {entry.cmd}"
    return f"{entry.timestamp_ms} {entry.level} {entry.source}: {what or f'exit status {entry.exit_code}'}"


def _packed(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()

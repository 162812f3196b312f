"""Scenario runs and what scores them, as the vendor's clients have them."""

from __future__ import annotations

import shlex
import time
import uuid
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from runloop_api_client import BadRequestError, RunloopSDK
from runloop_api_client.sdk import ScenarioRun

from tests.contract.conftest import Service
from tests.contract.evaluation import PASS, Create, Start, functions, make_scenario, start_run  # noqa: F401 - fixtures
from tests.contract.test_blueprints import NO_ROOT


def results(run: ScenarioRun) -> dict[str, tuple[float, str, str]]:
    """Score a run and give score, state and output of each scorer."""
    run.score_and_await()
    scored = run.get_score()
    assert scored is not None
    return {one.scoring_function_name: (one.score, one.state, one.output) for one in scored.scoring_function_results}


def test_a_run_has_a_devbox_that_becomes_ready(sdk: RunloopSDK, scenario: Create) -> None:
    """Scenario API, start_run: the devbox's id is there at once, and it is made as scenario and profile say."""
    made = scenario(
        environment_parameters={
            "launch_parameters": {"launch_commands": ["echo scenario > made"], "resource_size_request": "X_SMALL"}
        },
        required_environment_variables=["TASK"],
    )

    started = made.run_async(
        run_name="r",
        metadata={"a": "1"},
        run_profile={
            "env_vars": {"TASK": "t"},
            "purpose": "p",
            "mounts": [{"type": "file_mount", "target": "/tmp/m", "content": "mounted"}],
        },
    )

    assert started.id.startswith("run_")
    assert started.devbox_id.startswith("dbx_")
    ready = started.await_env_ready()
    assert (ready.state, ready.scenario_id, ready.name, ready.metadata) == ("running", made.id, "r", {"a": "1"})
    assert (ready.environment_variables, ready.purpose) == ({"TASK": "t"}, "p")
    made_for_it = started.devbox.get_info()
    assert made_for_it.launch_parameters.resource_size_request == "X_SMALL"
    assert (made_for_it.initiator_type, made_for_it.initiator_id) == ("scenario", started.id)
    assert started.devbox.cmd.exec("cat made /tmp/m; echo $TASK").stdout() == "scenario\nmountedt\n"
    started.cancel()


def test_a_run_without_what_its_scenario_requires_does_not_start(emulator: Service, scenario: Create) -> None:
    """Scenario API: required variables and secrets."""
    for fields in ({"required_environment_variables": ["NEEDED"]}, {"required_secret_names": ["NEEDED"]}):
        with pytest.raises(BadRequestError, match="NEEDED"):
            scenario(**fields).run_async()


def test_every_kind_of_scorer_really_scores(sdk: RunloopSDK, run: Start) -> None:
    """Scenario API, scoring contract: what each type of scorer looks at."""
    kind = f"custom-{uuid.uuid4()}"
    sdk.scorer.create(type=kind, bash_script='echo "$RL_SCORER_CONTEXT"; echo score=0.25')
    started = run(
        environment_parameters={
            "working_directory": "/home/user",
            "launch_parameters": {"launch_commands": ["echo 42 > answer"]},
        },
        scoring_contract=functions(
            command={"type": "command_scorer", "command": "grep 42 answer"},
            wrong={"type": "command_scorer", "command": "grep 43 answer"},
            bash={"type": "bash_script_scorer", "bash_script": "cat answer\necho score=0.5"},
            python={"type": "python_script_scorer", "python_script": "print(open('answer').read()); print(0.75)"},
            tests={
                "type": "test_based_scorer",
                "test_command": "bash t/test.sh",
                "test_files": [
                    {"file_path": "t/test.sh", "file_contents": "grep 42 ../home/user/answer || grep 42 answer"}
                ],
            },
            custom={"type": "custom_scorer", "custom_scorer_type": kind, "scorer_params": {"a": [1]}},
        ),
    )

    found = results(started)

    assert {name: (score, state) for name, (score, state, _) in found.items()} == {
        "command": (1.0, "complete"),
        "wrong": (0.0, "complete"),
        "bash": (0.5, "complete"),
        "python": (0.75, "complete"),
        "tests": (1.0, "complete"),
        "custom": (0.25, "complete"),
    }
    assert found["command"][2] == "42\n"
    assert '{"a": [1]}' in found["custom"][2]
    score = started.get_score()
    assert score is not None
    assert score.score == pytest.approx((1 + 0.5 + 0.75 + 1 + 0.25) / 6)
    assert started.devbox.cmd.exec("ls -d /tmp/scorer-*").exit_code != 0


@pytest.mark.skipif(NO_ROOT, reason="a sandbox of an ordinary user has one id, which may install nothing")
def test_ast_grep_is_given_pattern_language_and_directory(run: Start) -> None:
    """Scenario API, ast_grep_scorer: the pattern is put between double quotes; 1.0 if anything is found."""
    stand_in = 'grep -rF -- "$3" "$7"; status=$?; echo "$*" >&2; exit $status'
    commands = [
        f"printf '#!/bin/sh\\n%s\\n' {shlex.quote(stand_in)} | sudo install -m 755 /dev/stdin /usr/local/bin/ast-grep",
        "mkdir src && echo 'print($A)' > src/a.py",
    ]
    scorer = {"type": "ast_grep_scorer", "search_directory": "src", "lang": "python"}
    started = run(
        environment_parameters={"launch_parameters": {"launch_commands": commands}},
        scoring_contract=functions(
            there={**scorer, "pattern": r"print(\$A)"},
            missing={**scorer, "pattern": "eval"},
        ),
    )

    found = results(started)

    assert {name: (score, state) for name, (score, state, _) in found.items()} == {
        "there": (1.0, "complete"),
        "missing": (0.0, "complete"),
    }
    assert "run --pattern print($A) --lang python -- src" in found["there"][2]


def test_scorers_that_can_not_say_a_score_are_errors(run: Start) -> None:
    """Scenario API: a scoring function that breaks is `error`, and counts as 0."""
    started = run(
        scoring_contract=functions(
            good=PASS,
            silent={"type": "bash_script_scorer", "bash_script": "echo nothing"},
            beyond={"type": "bash_script_scorer", "bash_script": "echo score=7"},
            raises={"type": "python_script_scorer", "python_script": "print(1.0); raise SystemExit('no')"},
            old={"type": "python_script_scorer", "python_script": "print(1)", "python_version_constraint": "<3"},
        )
    )

    found = results(started)

    assert {name: state for name, (_, state, _) in found.items() if state != "complete"} == dict.fromkeys(
        ("silent", "beyond", "raises", "old"), "error"
    )
    assert "<3" in found["old"][2]
    score = started.get_score()
    assert score is not None
    assert score.score == pytest.approx(0.2)


def test_a_working_directory_that_is_not_there_is_an_error(run: Start) -> None:
    """Scenario API, environment: scoring functions run from the working directory."""
    started = run(environment_parameters={"working_directory": "/home/user/nowhere"})

    assert results(started)["passes"][:2] == (0.0, "error")


def test_a_run_that_is_being_scored_says_so_until_it_is_scored(sdk: RunloopSDK, run: Start) -> None:
    """Scenario run API, score: never `running` again; scoring twice is harmless."""
    started = run(
        scoring_contract=functions(slow={"type": "command_scorer", "command": "until [ -e go ]; do sleep .05; done"})
    )

    assert started.score().state == "scoring"
    assert (started.score().state, started.get_info().state) == ("scoring", "scoring")
    with pytest.raises(BadRequestError, match="scoring"):
        started.complete()
    started.devbox.file.write(file_path="go", contents="")

    assert started.await_scored().state == "scored"


def test_scored_and_completed_runs_have_no_devbox_any_more(run: Start) -> None:
    """Scenario run API, complete: ends the devbox; what comes then changes nothing."""
    started = run()

    completed = started.score_and_complete()

    assert completed.state == "completed"
    assert completed.duration_ms is not None
    assert completed.scoring_contract_result is not None
    assert completed.scoring_contract_result.score == 1.0
    assert started.devbox.get_info().status == "shutdown"
    assert (started.cancel().state, started.complete().state) == ("completed", "completed")
    with pytest.raises(BadRequestError, match="completed"):
        started.score()


def test_a_cancelled_run_stays_cancelled_though_it_was_being_scored(run: Start) -> None:
    """Scenario run API, cancel."""
    started = run(scoring_contract=functions(slow={"type": "command_scorer", "command": "sleep 60"}))
    started.score()

    assert started.cancel().state == "canceled"

    assert started.devbox.get_info().status == "shutdown"
    assert started.get_info().state == "canceled"


def test_scoring_that_takes_too_long_ends_the_run(run: Start) -> None:
    """Scenario API, scorer_timeout_sec."""
    started = run(
        scoring_contract=functions(slow={"type": "command_scorer", "command": "sleep 60"}), scorer_timeout_sec=1
    )
    started.score()

    deadline = time.monotonic() + 20
    while started.get_info().state == "scoring" and time.monotonic() < deadline:
        time.sleep(0.1)

    assert started.get_info().state == "timeout"


def test_a_run_whose_devbox_ends_has_failed(emulator: Service, run: Start) -> None:
    """A run is what becomes of its devbox."""
    started = run()
    started.devbox.shutdown()

    assert started.get_info().state == "failed"


def test_a_run_keeps_the_contract_it_began_with(sdk: RunloopSDK, scenario: Create) -> None:
    """An update of the scenario is for the runs to come."""
    made = scenario()
    started = made.run()
    changed: Any = functions(fails={"type": "command_scorer", "command": "false"})
    made.update(scoring_contract=changed)

    assert list(results(started)) == ["passes"]
    started.cancel()


def test_runs_are_listed_by_scenario_and_state(sdk: RunloopSDK, http: httpx.Client, scenario: Create) -> None:
    """Scenario run API, list."""
    made = scenario()
    first, second = made.run_async(run_name="one"), made.run_async()
    first.cancel()

    def listed(**query: Any) -> list[str]:  # noqa: ANN401 - any query
        return [one.id for one in sdk.api.scenarios.runs.list(scenario_id=made.id, **query).runs]

    assert listed() == [second.id, first.id]
    assert listed(state="canceled") == listed(name="one") == [first.id]
    assert listed(state="running") == [second.id]
    second.cancel()
    assert [one["id"] for one in http.get(f"/v1/scenarios/{made.id}/runs").json()["runs"]] == [second.id, first.id]


def test_logs_are_an_archive_of_what_ran(tmp_path: Path, run: Start) -> None:
    """Scenario run API, download_logs: also after the devbox's end."""
    started = run(scoring_contract=functions(says={"type": "command_scorer", "command": "echo what-it-said"}))
    started.score_and_complete()

    started.download_logs(tmp_path / "logs.zip")

    with zipfile.ZipFile(tmp_path / "logs.zip") as archive:
        log = archive.read(f"{started.devbox_id}.log").decode()
        assert '"score": 1.0' in archive.read("scenario_run.json").decode()
    assert "what-it-said" in log

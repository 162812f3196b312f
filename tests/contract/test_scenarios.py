"""Scenarios and scorers, as the vendor's clients have them."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest
from runloop_api_client import BadRequestError, NotFoundError, RunloopSDK
from runloop_api_client.types import ScenarioRunView, ScenarioView

from tests.contract.conftest import Service
from tests.contract.evaluation import PASS, Create, Start, functions, make_scenario, start_run  # noqa: F401 - fixtures


def test_a_scenario_reads_back_as_it_was_made(sdk: RunloopSDK, scenario: Create) -> None:
    """Scenario API: create and get."""
    made = scenario(
        metadata={"team": "a"},
        environment_parameters={"working_directory": "/home/user", "launch_parameters": {"launch_commands": ["true"]}},
        reference_output="diff",
        validation_type="FORWARD",
    )

    info = sdk.scenario.from_id(made.id).get_info()

    assert info.id.startswith("scn_")
    assert (info.status, info.metadata, info.reference_output) == ("active", {"team": "a"}, "diff")
    assert (info.validation_type, info.scorer_timeout_sec) == ("FORWARD", 1800)
    assert info.input_context.problem_statement == "Solve it."
    assert info.environment is not None
    assert info.environment.working_directory == "/home/user"
    (function,) = info.scoring_contract.scoring_function_parameters
    assert (function.name, function.weight, function.scorer.type) == ("passes", 1.0, "command_scorer")


def test_the_builder_makes_a_scenario(sdk: RunloopSDK) -> None:
    """The vendor's client, scenario builder: weights are normalised by the client."""
    builder = sdk.scenario.builder(f"built-{uuid.uuid4()}")
    builder.with_problem_statement("Fix it").with_working_directory("/home/user")
    builder.add_shell_command_scorer("one", command="true").add_bash_script_scorer("two", bash_script="echo score=0.5")

    info = builder.push().get_info()

    assert info.input_context.problem_statement == "Fix it"
    assert [one.weight for one in info.scoring_contract.scoring_function_parameters] == [0.5, 0.5]
    sdk.api.scenarios.archive(info.id)


def test_an_update_leaves_what_it_does_not_name(scenario: Create) -> None:
    """Scenario API, update: null preserves, an empty value clears, what is given replaces."""
    made = scenario(reference_output="diff", metadata={"a": "1"})

    changed = made.update(
        name=f"renamed-{uuid.uuid4()}", reference_output="", input_context={"additional_context": {"b": 1}}
    )

    assert changed.name.startswith("renamed-")
    assert (changed.reference_output, changed.metadata) == (None, {"a": "1"})
    assert (changed.input_context.problem_statement, changed.input_context.additional_context) == (
        "Solve it.",
        {"b": 1},
    )
    assert made.get_info() == changed


def test_lists_are_filtered(sdk: RunloopSDK, scenario: Create) -> None:
    """Scenario API, list: by name, search and validation type, newest first."""
    mark = uuid.uuid4().hex
    first, second = (scenario(name=f"{mark}-{n}", validation_type=kind) for n, kind in ((1, "FORWARD"), (2, "REVERSE")))

    def listed(**query: Any) -> list[str]:  # noqa: ANN401 - any query
        return [one.id for one in sdk.api.scenarios.list(**query).scenarios]

    assert listed(search=mark) == [second.id, first.id]
    assert listed(search=mark, limit=1) == [second.id]
    assert listed(search=mark, starting_after=second.id) == [first.id]
    assert listed(name=f"{mark}-1") == [first.id]
    assert listed(search=mark, validation_type="REVERSE") == [second.id]
    assert [one.id for one in sdk.scenario.list(name=f"{mark}-2", limit=1)] == [second.id]


def test_an_archived_scenario_is_in_no_list_and_can_not_be_used(sdk: RunloopSDK, scenario: Create) -> None:
    """Scenario API, archive: found by its id only."""
    made = scenario()

    assert sdk.api.scenarios.archive(made.id).status == "archived"

    assert made.get_info().status == "archived"
    assert sdk.api.scenarios.list(search=made.id).scenarios == []
    for use in (lambda: made.update(name="x"), made.run_async):
        with pytest.raises(BadRequestError, match="archived"):
            use()


def test_an_unarchived_scenario_is_back(
    emulator: Service, http: httpx.Client, sdk: RunloopSDK, scenario: Create
) -> None:
    """Scenario API, unarchive, which the client does not call."""
    made = scenario()
    sdk.api.scenarios.archive(made.id)

    assert http.post(f"/v1/scenarios/{made.id}/unarchive").raise_for_status().json()["status"] == "active"
    assert [one.id for one in sdk.api.scenarios.list(search=made.id).scenarios] == [made.id]


def test_nothing_is_public(emulator: Service, sdk: RunloopSDK) -> None:
    """Scenario API, list_public."""
    assert sdk.api.scenarios.list_public().scenarios == []


def test_metadata_keys_and_values_are_listed(emulator: Service, http: httpx.Client, scenario: Create) -> None:
    """Scenario API, metadata keys, which the client does not call."""
    key = uuid.uuid4().hex
    for value in ("b", "a", "b"):
        scenario(metadata={key: value})

    assert key in http.get("/v1/scenarios/metadata/keys").json()["keys"]
    assert http.get(f"/v1/scenarios/metadata/keys/{key}/values").json() == {"key": key, "values": ["a", "b"]}


def test_shapes(http: httpx.Client, scenario: Create, run: Start) -> None:
    """Answers against the client's own models, which the client itself does not check."""
    made = scenario(environment_parameters={"working_directory": "/tmp"})
    started = run()
    started.score_and_await()

    for model, path in (
        (ScenarioView, f"/v1/scenarios/{made.id}"),
        (ScenarioRunView, f"/v1/scenarios/runs/{started.id}"),
    ):
        parsed = model.model_validate_json(http.get(path).content, strict=True)
        assert not parsed.model_extra


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("scoring_contract", functions(x={"type": "magic"}), "type"),
        ("scoring_contract", functions(x={"type": "command_scorer"}), "command"),
        ("scoring_contract", functions(x={"type": "custom_scorer", "custom_scorer_type": "nope"}), "nope"),
        ("environment_parameters", {"blueprint_id": "b", "snapshot_id": "s"}, "snapshot_id"),
        ("environment_parameters", {"launch_parameters": {"resource_size_request": "HUGE"}}, "HUGE"),
        ("validation_type", "SIDEWAYS", "SIDEWAYS"),
        ("input_context", {}, "problem_statement"),
    ],
)
def test_a_scenario_that_can_not_be_meant_is_refused(
    emulator: Service, scenario: Create, field: str, value: object, word: str
) -> None:
    """Scenario API: a bad request names what is wrong."""
    with pytest.raises(BadRequestError, match=word):
        scenario(**{field: value})


def test_custom_scorers_are_kept_by_type(sdk: RunloopSDK) -> None:
    """Scorer API: create, get, update, list; a type is there once."""
    kind = f"scorer-{uuid.uuid4()}"
    made = sdk.scorer.create(type=kind, bash_script="echo score=1.0")

    assert (made.get_info().type, made.get_info().bash_script) == (kind, "echo score=1.0")
    with pytest.raises(BadRequestError, match="already exists"):
        sdk.scorer.create(type=kind, bash_script="echo score=0.0")
    assert made.update(type=f"{kind}-2", bash_script="echo score=0.5").type == f"{kind}-2"
    assert sdk.scorer.from_id(made.id).get_info().bash_script == "echo score=0.5"
    assert [one.id for one in sdk.scorer.list(search=kind)] == [made.id]


def test_what_is_not_there_is_not_found(sdk: RunloopSDK) -> None:
    """Scenario API: unknown ids."""
    for ask in (
        sdk.scenario.from_id("scn_nope").get_info,
        sdk.scorer.from_id("scr_nope").get_info,
        lambda: sdk.api.scenarios.runs.retrieve("run_nope"),
        lambda: sdk.api.scenarios.start_run(scenario_id="scn_nope"),
    ):
        with pytest.raises(NotFoundError):
            ask()

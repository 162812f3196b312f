from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pytest_runloop.emulator.domain.lifecycle import TRANSITIONS, Event, Status, advance
from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.domain.records import Devbox, Transition


@pytest.mark.parametrize(("status", "event"), list(itertools.product(Status, Event)))
def test_every_event_in_every_status_has_an_answer(status: Status, event: Event) -> None:
    expected = TRANSITIONS.get((status, event))

    if expected is not None:
        assert advance(status, event, devbox_id="dbx_1") is expected
        return
    with pytest.raises(ApiProblem) as refusal:
        advance(status, event, devbox_id="dbx_1")
    assert refusal.value.status == 400
    for part in ("dbx_1", event.value, status.value):
        assert part in refusal.value.message


@pytest.mark.parametrize("status", [Status.FAILURE, Status.SHUTDOWN])
def test_nothing_leads_out_of_an_end(status: Status) -> None:
    assert {TRANSITIONS.get((status, event), status) for event in Event} == {status}


@pytest.mark.parametrize("status", [status for status in Status if not status.is_over])
def test_whatever_is_alive_can_be_shut_down_and_can_fail(status: Status) -> None:
    assert TRANSITIONS[status, Event.SHUT_DOWN] is Status.SHUTDOWN
    assert TRANSITIONS[status, Event.FAIL] is Status.FAILURE


class Life(RuleBasedStateMachine):
    """A devbox to which anything may happen in any order."""

    def __init__(self) -> None:
        super().__init__()
        start = Transition(status=Status.PROVISIONING, time_ms=0)
        self.now = 0
        self.devbox = Devbox(
            id="dbx_1", status=Status.PROVISIONING, create_time_ms=0, launch_parameters={}, transitions=(start,)
        )

    @rule(event=st.sampled_from(Event))
    def happen(self, event: Event) -> None:
        self.now += 1
        before = self.devbox
        try:
            self.devbox = before.after(event, now_ms=self.now)
        except ApiProblem:
            assert self.devbox is before

    @invariant()
    def the_history_ends_with_the_status(self) -> None:
        assert self.devbox.transitions[-1].status is self.devbox.status

    @invariant()
    def the_history_is_a_walk_through_the_table(self) -> None:
        steps = {(start, end) for (start, _), end in TRANSITIONS.items()}
        statuses = [moved.status for moved in self.devbox.transitions]
        assert set(itertools.pairwise(statuses)) <= steps

    @invariant()
    def only_the_end_has_a_time(self) -> None:
        assert (self.devbox.end_time_ms is not None) == self.devbox.status.is_over


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=50, stateful_step_count=20, deadline=None)

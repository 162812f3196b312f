from __future__ import annotations

import hashlib
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_runloop.cache.entry import SCHEMA, Damaged, Entry, from_text, to_text

ENTRY = Entry(
    key="k" * 32,
    snapshot_id="snp_1",
    created_s=1_700_000_000,
    expires_s=1_700_600_000,
    run="run_1",
    devbox_id="dbx_1",
    state='{"devbox_id": "dbx_1", "manifest": {"root": "/home/user"}}',
)
MUTATIONS = 3000


@given(
    st.builds(
        Entry,
        key=st.text(),
        snapshot_id=st.text(),
        created_s=st.integers(),
        expires_s=st.integers(),
        run=st.text(),
        devbox_id=st.none() | st.text(),
        state=st.none() | st.text(),
    )
)
def test_an_entry_is_read_as_it_was_written(entry: Entry) -> None:
    assert from_text(to_text(entry), key=entry.key) == entry


def test_an_entry_that_is_cut_off_anywhere_counts_as_absent() -> None:
    text = to_text(ENTRY).rstrip("\n")

    for length in range(len(text)):
        with pytest.raises(Damaged):
            from_text(text[:length], key=ENTRY.key)


def test_no_mutation_is_taken_for_another_entry_and_none_crashes() -> None:
    chance = random.Random(20261124)  # noqa: S311 - reproducible
    text = to_text(ENTRY)
    refused = 0

    for _ in range(MUTATIONS):
        mutated = mutate(text, chance)
        try:
            # Whatever is accepted says the same: blanks may have moved, a duplicate name may have won.
            assert from_text(mutated, key=ENTRY.key) == ENTRY
        except Damaged:
            refused += 1

    assert refused > MUTATIONS * 0.8


def mutate(text: str, chance: random.Random) -> str:
    """Return a text with one to four changes, as a torn write, a bad disk or an editor makes them."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text))
        length = chance.randint(1, 12)
        piece = text[at : at + length]
        new = chance.choice(
            [
                "",
                chr(chance.randrange(32, 127)),
                piece[::-1],
                piece * 2,
                piece.swapcase(),
                str(chance.randrange(10**6)),
                chance.choice(
                    ["null", "true", "[", "]", "{", "}", '"', "\\u0000", "\ud800", "1e999", "NaN", "[" * 5000]
                ),
            ]
        )
        text = text[:at] + new + text[at + length :]
        text = text or " "
    return text


@pytest.mark.parametrize("schema", [SCHEMA + 1, SCHEMA - 1, str(SCHEMA), None, True, 1.5])
def test_another_schema_is_absent_even_if_everything_else_fits(schema: object) -> None:
    document = json.loads(to_text(ENTRY))

    with pytest.raises(Damaged, match="another version"):
        from_text(json.dumps({**document, "schema": schema}), key=ENTRY.key)


@pytest.mark.parametrize(
    ("field", "value"), [("snapshot_id", "snp_2"), ("devbox_id", "dbx_2"), ("created_s", 1), ("state", None)]
)
def test_a_changed_field_does_not_match_the_checksum(field: str, value: object) -> None:
    document = json.loads(to_text(ENTRY))
    document["entry"][field] = value

    with pytest.raises(Damaged, match="checksum"):
        from_text(json.dumps(document), key=ENTRY.key)


@pytest.mark.parametrize(
    "change",
    [{"created_s": "1"}, {"created_s": True}, {"expires_s": 1.5}, {"snapshot_id": None}, {"state": {}}, {"more": 1}],
)
def test_a_field_of_another_type_is_refused_even_under_a_right_checksum(change: dict[str, object]) -> None:
    fields = {**json.loads(to_text(ENTRY))["entry"], **change}
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()

    with pytest.raises(Damaged, match="fields"):
        from_text(json.dumps({"schema": SCHEMA, "entry": fields, "sha256": digest}), key=ENTRY.key)


def test_an_entry_of_another_key_is_absent() -> None:
    with pytest.raises(Damaged, match="it is of k"):
        from_text(to_text(ENTRY), key="other")


@pytest.mark.parametrize("text", ["", "null", "[]", "7", '"entry"', '{"entry": 1}', "[" * 100_000, "9" * 10_000])
def test_other_json_is_absent(text: str) -> None:
    with pytest.raises(Damaged):
        from_text(text, key=ENTRY.key)

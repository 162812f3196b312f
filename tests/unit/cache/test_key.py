from __future__ import annotations

import random
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_runloop.cache.key import key_of

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)
SHAPES = st.dictionaries(st.text(), JSON, max_size=5)


def shuffled(value: Any, chance: random.Random) -> Any:  # noqa: ANN401 - JSON
    """Return the same JSON with every mapping in another order."""
    if isinstance(value, dict):
        items = list(value.items())
        chance.shuffle(items)
        return {name: shuffled(inner, chance) for name, inner in items}
    return [shuffled(inner, chance) for inner in value] if isinstance(value, list) else value


@given(SHAPES, st.randoms(use_true_random=False))
def test_the_order_of_mappings_does_not_matter(shape: dict[str, Any], chance: random.Random) -> None:
    assert key_of(shuffled(shape, chance)) == key_of(shape)


def exact(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return JSON so that 1, 1.0 and True differ, as they do in a file."""
    if isinstance(value, dict):
        return {name: exact(inner) for name, inner in value.items()}
    return [exact(inner) for inner in value] if isinstance(value, list) else (type(value), repr(value))


@given(SHAPES, SHAPES)
def test_different_shapes_have_different_keys(one: dict[str, Any], other: dict[str, Any]) -> None:
    assume(exact(one) != exact(other))

    assert key_of(one) != key_of(other)


def test_a_key_is_a_short_word_that_metadata_can_hold() -> None:
    key = key_of({"a": 1})

    assert (len(key), key.isalnum(), key) == (32, True, key_of({"a": 1}))

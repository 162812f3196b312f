from __future__ import annotations

import pytest

from pytest_runloop.cache.expiry import is_over, may_go


@pytest.mark.parametrize(
    ("now_s", "max_age_s", "over"),
    [
        (199, 1000, False),  # neither limit is reached
        (200, 1000, True),  # the maker's
        (149, 50, False),
        (150, 50, True),  # the reader's
    ],
)
def test_the_makers_limit_and_the_readers_count(now_s: float, max_age_s: float, *, over: bool) -> None:
    assert is_over(created_s=100, expires_s=200, max_age_s=max_age_s, now_s=now_s) is over


@pytest.mark.parametrize(
    ("label", "gone"), [("100", True), ("101", False), (None, False), ("", False), ("soon", False)]
)
def test_only_what_expired_a_while_ago_may_go(label: str | None, *, gone: bool) -> None:
    assert may_go(label, grace_s=50, now_s=150) is gone


@pytest.mark.parametrize("label", ["-5", "²", "٣", "1e3", " 1"])
def test_a_strange_label_never_deletes_anything(label: str) -> None:
    assert not may_go(label, grace_s=0, now_s=1e12)

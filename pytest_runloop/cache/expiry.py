"""Which prepared things are too old, to use or to keep. Pure: *now* is an argument."""

from __future__ import annotations

SUSPENDED_GRACE_S = 3600
"""What has expired is used by nobody new, but a run that found it just before may still be at it."""

RUNNING_GRACE_S = 24 * 3600
"""A devbox that runs is in a test's hands, and tests of a day are rare."""


def is_over(*, created_s: int, expires_s: int, max_age_s: float, now_s: float) -> bool:
    """Say whether something is too old to be used, by its maker's limit or by the reader's."""
    return now_s >= expires_s or now_s - created_s >= max_age_s


def may_go(expires: str | None, *, grace_s: float, now_s: float) -> bool:
    """Say whether something with this label can be deleted; without one, or with a strange one, it can't."""
    if expires is None or not (expires.isascii() and expires.isdigit()):
        return False
    return now_s >= int(expires[:_MOST_DIGITS]) + grace_s


_MOST_DIGITS = 18

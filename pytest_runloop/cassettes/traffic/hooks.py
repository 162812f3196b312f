"""The user's own configuration of vcrpy, applied to what passes here.

What counts of it: ``before_record_request`` (and ``before_record``), ``before_record_response``, ``filter_headers``,
``filter_query_parameters``, ``filter_post_data_parameters``, ``ignore_hosts``, ``ignore_localhost``; of vcrpy 9 also
``filter_sensitive_data``, ``before_save_interaction`` and ``after_load_interaction``. They see vcrpy's own objects, and
a request they drop goes to the network, as with vcrpy.

``match_on`` decides alone, as in vcrpy: a request is answered by the first recording, not yet given out, that all of
its matchers accept. ``meaning`` may be one of them: what decides here if ``match_on`` isn't given. Of a recorded
request's headers only the content type is known, so a matcher of headers must not look at others.

vcrpy is imported only if there is a configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_runloop.cassettes.exchange import Exchange, Request
from pytest_runloop.cassettes.files.foreign import from_vcr, response_from_vcr, response_to_vcr, url_of
from pytest_runloop.cassettes.playing import meaning

if TYPE_CHECKING:
    from pytest_runloop.cassettes.playing.meaning import Rules

Matcher = Callable[[Any, Any], object]
Change = Callable[[Any], Any]


class Hooks:
    """What the user configured; nothing at all if nothing was.

    Args:
        config: Arguments of ``vcr.VCR`` or ``use_cassette``.
        configure: Called with the ``vcr.VCR``, so that it may register matchers.
        rules: What the matcher ``meaning`` leaves out.
    """

    def __init__(
        self, config: Mapping[str, object], configure: Callable[[object], None] | None, *, rules: Rules
    ) -> None:
        self._rules = rules
        self._settings = _settings(config, configure, self._same_meaning) if config or configure else None

    def request(self, request: Request, headers: Mapping[str, str]) -> Request | None:
        """Return a request as it is to be recorded or looked up; None: let it pass."""
        if self._settings is None:
            return request
        changed = self._settings.request(_to_vcr(request, headers))
        return None if changed is None else from_vcr(changed)

    def answered(self, exchange: Exchange) -> Exchange | None:
        """Return an exchange with its answer as it is to be recorded; None: it is not."""
        if self._settings is None or exchange.response is None:
            return exchange
        answer = self._settings.response(response_to_vcr(exchange.response))
        return None if answer is None else replace(exchange, response=response_from_vcr(answer, exchange.response))

    def saved(self, exchange: Exchange) -> Exchange | None:
        """Return an exchange as it is to be written; None: not at all."""
        return exchange if self._settings is None else _interaction(self._settings.save, exchange)

    def loaded(self, exchange: Exchange) -> Exchange | None:
        """Return an exchange from a file as it is to be played; None: not at all."""
        return exchange if self._settings is None else _interaction(self._settings.load, exchange)

    @property
    def matchers(self) -> Sequence[Matcher]:
        """What decides in the place of meaning; empty: meaning does."""
        return () if self._settings is None else self._settings.matchers

    def accepts(self, live: Request, recorded: Request) -> bool:
        """Tell whether the user's matchers take two requests for the same."""
        from vcr.matchers import requests_match

        return bool(requests_match(_to_vcr(live, {}), _to_vcr(recorded, {}), self.matchers))

    def same_meaning(self, one: Request, other: Request) -> bool:
        return meaning.of(one, self._rules).key == meaning.of(other, self._rules).key

    def _same_meaning(self, one: Any, other: Any) -> None:  # noqa: ANN401 - vcrpy's requests
        if not self.same_meaning(from_vcr(one), from_vcr(other)):
            message = f"the meanings of {one} and {other} differ"
            raise AssertionError(message)


class Selection:
    """Which recordings of one cassette the user's matchers have given out."""

    def __init__(self, hooks: Hooks, recorded: Iterable[Request]) -> None:
        self._hooks = hooks
        self._left = list(recorded)

    def chosen(self, live: Request) -> Request:
        """Return the recorded request that answers a live one; the live one itself if meaning is to decide."""
        if not self._hooks.matchers:
            return live
        for number, recorded in enumerate(self._left):
            if self._hooks.accepts(live, recorded):
                del self._left[number]
                # Of equal meaning, the live one tells the tape more: its volatile values.
                return live if self._hooks.same_meaning(live, recorded) else recorded
        return live


class _Settings:
    """vcrpy's merged configuration, as far as it counts."""

    def __init__(self, merged: Mapping[str, Any], matchers: Sequence[Matcher]) -> None:
        self.request: Change = merged["before_record_request"]
        self.response: Change = merged["before_record_response"]
        self.save = _hooks(merged.get("before_save_interaction"))
        self.load = _hooks(merged.get("after_load_interaction"))
        self.matchers = matchers
        if merged.get("filter_sensitive_data"):
            from vcr.filters import sensitive_data_hooks

            hide, restore = sensitive_data_hooks(merged["filter_sensitive_data"])
            self.save.append(hide)
            self.load.insert(0, restore)


def _settings(
    config: Mapping[str, object], configure: Callable[[object], None] | None, same_meaning: Matcher
) -> _Settings:
    import vcr

    recorder: Any = vcr.VCR()
    recorder.register_matcher("meaning", same_meaning)
    if configure is not None:
        configure(recorder)
    merged = recorder.get_merged_config(**config)
    return _Settings(merged, merged["match_on"] if "match_on" in config else ())


def _hooks(given: object) -> list[Matcher]:
    if given is None:
        return []
    return list(given) if isinstance(given, Iterable) else [given]  # type: ignore[list-item] # vcrpy checks no more


def _to_vcr(request: Request, headers: Mapping[str, str]) -> Any:  # noqa: ANN401 - a vcr.request.Request
    # Of a recorded request, the content type is the only header that is known.
    from vcr.request import Request as VcrRequest

    known = dict(headers) or ({"content-type": request.content_type} if request.content_type else {})
    return VcrRequest(request.method, url_of(request), request.body, known)


def _interaction(hooks: Sequence[Matcher], exchange: Exchange) -> Exchange | None:
    if not hooks or exchange.response is None:
        return exchange
    pair: Any = (_to_vcr(exchange.request, {}), response_to_vcr(exchange.response))
    for hook in hooks:
        pair = hook(*pair)
        if pair is None:
            return None
    request, response = pair
    return replace(exchange, request=from_vcr(request), response=response_from_vcr(response, exchange.response))

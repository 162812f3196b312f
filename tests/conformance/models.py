"""The vendor's client's own models, by the names that the vendor's document has for them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from pydantic import BaseModel
from runloop_api_client import types

OTHER_NAMES = {
    "ApiKeyCreatedView": "APIKeyCreatedView",
    "BenchmarkDefinitionView": "BenchmarkView",
    "DevboxCreateSshKeyView": "DevboxCreateSSHKeyResponse",
    "DevboxDiskSnapshotListView": "DevboxSnapshotListView",
    "DevboxDiskSnapshotView": "DevboxSnapshotView",
    "ExecUpdateChunkView": "ExecutionUpdateChunk",
    "ObjectDownloadUrlView": "ObjectDownloadURLView",
    "ScenarioDefinitionView": "ScenarioView",
    "ScenarioScorerView": "ScorerRetrieveResponse",
}
"""What the client calls differently."""


def client_models() -> dict[str, type[BaseModel]]:
    """Find every model of the client by its name."""
    return {model.__name__: model for model in _models()}


def assert_fits(model: type[BaseModel], value: object) -> None:
    """Check every field's type, and that no field is one the model doesn't know."""
    parsed = model.model_validate(value, strict=True)
    assert not list(_strange(parsed)), (model.__name__, list(_strange(parsed)))


def _models() -> Iterator[type[BaseModel]]:
    for found in pkgutil.walk_packages(types.__path__, types.__name__ + "."):
        for value in vars(importlib.import_module(found.name)).values():
            if isinstance(value, type) and issubclass(value, BaseModel):
                yield value


def _strange(value: object) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from value.model_extra or ()
        for name in type(value).model_fields:
            yield from _strange(getattr(value, name))
    elif isinstance(value, list):
        for item in value:
            yield from _strange(item)

"""Sandboxes that tests share. Scopes are tested in ``tests/plugin/test_scope.py``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from pytest_runloop.dockerfiles import Dockerfiles
from pytest_runloop.errors import ProvisioningError
from pytest_runloop.sharing import SandboxPool
from pytest_runloop.spec import SandboxSpec
from tests.plugin.fake_preparations import FakePreparations
from tests.plugin.fake_provisioner import FakeProvisioner

if TYPE_CHECKING:
    from pytest_runloop.preparation import Preparations
    from pytest_runloop.provisioning import Provisioner


@pytest.fixture
def pool(tmp_path: Path) -> SandboxPool:
    provisioner = FakeProvisioner(tmp_path / "log")
    return SandboxPool(
        cast("Provisioner", provisioner),
        preparations=cast("Preparations", FakePreparations(provisioner)),
        dockerfiles=Dockerfiles({}, root=tmp_path),
    )


def test_equal_wishes_of_different_tests_share(pool: SandboxPool) -> None:
    one = pool.share(SandboxSpec(test="one", local_root=Path("one")))
    two = pool.share(SandboxSpec(test="two", local_root=Path("two")))

    assert one is two


def test_a_manifest_may_name_files_next_to_the_test_so_the_place_counts(pool: SandboxPool) -> None:
    one = pool.share(SandboxSpec(test="one", manifest={}, local_root=Path("one")))
    two = pool.share(SandboxSpec(test="two", manifest={}, local_root=Path("two")))

    assert one is not two


def test_a_sandbox_made_for_one_is_not_shared(pool: SandboxPool) -> None:
    spec = SandboxSpec(test="one")

    assert pool.make(spec) is not pool.share(spec)


def test_a_failed_wish_is_tried_again(pool: SandboxPool) -> None:
    broken = SandboxSpec(test="one", options={"name": "broken"})

    for _ in range(2):
        with pytest.raises(ProvisioningError):
            pool.share(broken)

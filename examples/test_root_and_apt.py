import pytest

from pytest_runloop import Sandbox


@pytest.mark.runloop
def test_root_is_root(runloop_root_sandbox: Sandbox) -> None:
    assert runloop_root_sandbox.exec("id -u").stdout == "0\n"
    assert runloop_root_sandbox.root == "/root"


@pytest.mark.runloop
def test_install_a_package(runloop_root_sandbox: Sandbox) -> None:
    if not runloop_root_sandbox.exec("test -O /var/lib/dpkg").ok:
        pytest.skip("apt needs an emulator that root has started: run pytest as root, as in a container, or run live")

    # What apt prints is another in each run; what it complains of still shows.
    install = "(apt-get update && apt-get install --yes tree) > /dev/null"
    runloop_root_sandbox.exec(install, timeout=600, check=True)

    assert runloop_root_sandbox.exec("tree --version").ok

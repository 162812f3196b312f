from urllib.request import urlopen

import pytest

from pytest_runloop import Sandbox

START = "nohup python3 -m http.server 8000 --directory site > server.log 2>&1 &"


@pytest.mark.runloop(exposed_ports=(8000,), files={"site/index.html": "<h1>It works</h1>"})
def test_the_page_is_served(runloop_sandbox: Sandbox) -> None:
    runloop_sandbox.exec(START, check=True)

    with urlopen(runloop_sandbox.url(8000), timeout=30) as page:
        assert b"It works" in page.read()

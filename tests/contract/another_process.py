"""What another process of the same run, or of a later one, does with a prepared sandbox; told by JSON in TOLD."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from pytest_runloop.preparation import Preparations, SuspendedSnapshot
from pytest_runloop.provisioning import Provisioner
from pytest_runloop.spec import SandboxSpec
from pytest_runloop.target import Endpoint, Target


def main() -> None:
    """Find or prepare, then do as told, and say what came of it."""
    told = json.loads(os.environ["TOLD"])
    endpoint = Endpoint(target=Target.EMULATOR, base_url=told["base_url"], api_key=told["api_key"])
    provisioner = Provisioner(endpoint, run=told["run"])
    preparations = Preparations(
        provisioner, cache_dir=Path(told["cache"]), owner=told["owner"], max_age_s=86400, tell=lambda _: None
    )
    spec = SandboxSpec(
        test="t.py::other", user=told.get("user", "user"), setup=tuple(told["setup"]), options=told.get("options", {})
    )
    prepared = preparations.prepared(spec)
    result = {"made": preparations.made, "found": preparations.found, "key": prepared.key}
    result["output"] = act(prepared, told)
    result["problems"] = preparations.problems
    preparations.close()
    provisioner.close()
    print(json.dumps(result), flush=True)  # noqa: T201 - the answer


def act(prepared: SuspendedSnapshot, told: dict[str, str]) -> str:
    """Do what was asked for."""
    if told["verb"] == "state":
        return prepared.state_json
    with prepared.fork() if told["verb"] == "fork" else prepared.resume() as sandbox:
        output = sandbox.exec(told["command"], check=True).stdout
        if told["verb"] == "die":
            print(json.dumps({"devbox": sandbox.devbox_id, "output": output}), flush=True)  # noqa: T201 - the answer
            threading.Event().wait()
    return output


if __name__ == "__main__":
    main()

"""The route of the certificate that clients of https tunnels have to trust: the emulator's own, not Runloop's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.problems import unsupported
from pytest_runloop.emulator.http.answers import Answer, route
from pytest_runloop.emulator.service.certificate import NoCertificate, files

if TYPE_CHECKING:
    from starlette.requests import Request


async def retrieve(request: Request) -> Answer:
    """Tell where it is, and make it if need be."""
    try:
        made = await asyncio.to_thread(files, request.app.state.directory)
    except NoCertificate as error:
        raise unsupported(f"{error}.") from None
    return {"certificate": str(made.certificate.absolute()), "bundle": str(made.bundle.absolute())}


ROUTES = [route("GET", "/_emulator/certificate", retrieve)]

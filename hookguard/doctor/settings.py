"""Checks of single settings: the targets of a relay, and whether rejected deliveries are examined."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from hookguard.doctor.application import Application, Finder
from hookguard.relay.settings import TargetSettings
from hookguard.remarks import Remark

__all__ = ["SETTING_FINDERS"]

#: Schemes of a target's URL that encrypt nothing.
_PLAIN: Final = ("http", "amqp", "nats")


def _targets(application: Application) -> Iterator[tuple[str, TargetSettings]]:
    for endpoint in application.every_endpoint():
        for target in endpoint.relay.targets.values() if endpoint.relay is not None else ():
            yield f"the target {target.name!r} of endpoint {endpoint.name!r}", target


def _plain(application: Application) -> Iterator[Remark]:
    for about, target in _targets(application):
        host = urlsplit(target.url).hostname or ""
        if target.scheme in _PLAIN and _is_far(host):
            yield Remark("R1", f"{about} gets events over {target.scheme}://, which anybody on the way to {host} can read")


def _is_far(host: str) -> bool:
    """Whether a host is outside of this machine and of private networks, as far as its name shows that."""
    try:
        return ip_address(host).is_global
    except ValueError:
        # A name without a dot is of a local network, as between containers.
        return "." in host.rstrip(".") and not host.endswith((".local", ".internal", ".localhost", ".svc"))


def _loops(application: Application) -> Iterator[Remark]:
    own = {_place(endpoint.public_url): endpoint.name for endpoint in application.every_endpoint() if endpoint.public_url}
    for about, target in _targets(application):
        name = own.get(_place(target.url))
        if name is not None:
            yield Remark("R2", f"{about} is the public_url of endpoint {name!r}: each event would come in again")


def _place(url: str) -> tuple[str | None, str]:
    parts = urlsplit(url)
    return parts.hostname, parts.path.rstrip("/")


def _autopsies(application: Application) -> Iterator[Remark]:
    endpoints = application.every_endpoint()
    if not endpoints:
        return
    if os.environ.get("HOOKGUARD_AUTOPSY") == "0":
        yield Remark("O3", "HOOKGUARD_AUTOPSY is 0, so no rejected delivery is examined")
        return
    for endpoint in endpoints:
        if not endpoint.autopsy:
            yield Remark("O3", f"endpoint {endpoint.name!r} has autopsy off, so its rejected deliveries are not examined")
    logger = logging.getLogger("hookguard.autopsy")
    if logging.getLogger("hookguard").isEnabledFor(logging.WARNING) and (
        logger.disabled or not logger.isEnabledFor(logging.WARNING)
    ):
        yield Remark(
            "O3",
            "the logger 'hookguard.autopsy' is off, so no line names the cause of a rejection",
            "Set its level to WARNING",
            "warning",
        )


SETTING_FINDERS: Final = (
    Finder(("R1",), _plain),
    Finder(("R2",), _loops),
    Finder(("O3",), _autopsies),
)

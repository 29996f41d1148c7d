"""Checks of an endpoint against what its provider's pages say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hookguard.doctor.application import Application, Finder
from hookguard.gateway import GatewayVerifier
from hookguard.remarks import Remark

__all__ = ["PROVIDER_FINDERS"]


def _confirmed(application: Application) -> Iterator[Remark]:
    for endpoint in application.every_endpoint():
        preset = endpoint.preset
        if not preset.confirmed:
            yield Remark("P1", f"the preset {preset.name!r} is not confirmed by its provider: {preset.doubt}")
        if preset.event_id is None and preset.facts is None:
            yield Remark(
                "P1",
                f"events of {preset.name!r} have no id, so two with the same body at endpoint {endpoint.name!r} count as one",
                "Set event_id in the preset if a delivery carries an id, and name it in a place that is signed",
                "warning",
            )


def _times(application: Application) -> Iterator[Remark]:
    for endpoint in application.every_endpoint():
        yield from endpoint.compare_times()


def _answers(application: Application) -> Iterator[Remark]:
    for endpoint in application.every_endpoint():
        facts, patience = endpoint.preset.facts, endpoint.worker_timeout
        waits = facts.timeout.value if facts else None
        if endpoint.inbox is None and waits is not None and patience is not None and waits < patience:
            yield Remark(
                "A1",
                f"{endpoint.preset.name} waits {waits:.0f} s for the answer of endpoint {endpoint.name!r}, and the server lets a"
                f" handler run for {patience:.0f} s",
            )


def _gateways(application: Application) -> Iterator[Remark]:
    for endpoint in application.every_endpoint():
        verifier = endpoint.verifier
        if isinstance(verifier, GatewayVerifier) and not verifier.checks_provider:
            yield Remark(
                "G1",
                f"endpoint {endpoint.name!r} checks the signature of {verifier.gateway.preset.name}, and not the provider's",
                "Set verify_provider to True and add the provider's secrets, if the gateway passes its signature on",
                "info",
            )


def _unprotected(application: Application) -> Iterator[Remark]:
    for endpoint in application.every_endpoint():
        if endpoint.runs_unprotected:
            yield Remark("H1", f"endpoint {endpoint.name!r} runs events while the store is down, any number of times each")


PROVIDER_FINDERS: Final = (
    Finder(("P1",), _confirmed),
    Finder(("T2", "L1", "L2"), _times),
    Finder(("A1",), _answers),
    Finder(("G1",), _gateways),
    Finder(("H1",), _unprotected),
)

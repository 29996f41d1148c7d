"""An endpoint of the user's own application, for ``hookguard explain --endpoint``."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import Any, NamedTuple, cast

import click

from hookguard import Endpoint, GatewayVerifier, Rejected, Tenant, Verifier
from hookguard.autopsy import Known
from hookguard.cli.naming import application_of
from hookguard.cli.saved import Saved
from hookguard.doctor.application import Application
from hookguard.setting_names import suggestion
from hookguard.verifier import VerifierLike

__all__ = ["Asked", "own_endpoint"]


class Asked(NamedTuple):
    """The verifier, the delivery as the endpoint sees it, and what the application knows besides."""

    verifier: VerifierLike
    saved: Saved
    known: Known


def own_endpoint(name: str, app: str | None, hooks: str | None, saved: Saved, *, url: str | None, at: float | None) -> Asked:
    """Return what the endpoint of that name checks a saved delivery with. ``at`` is the moment of arrival; None for any age."""
    with application_of(app, hooks) as application:
        endpoint = _named(name, application)
        delivery = saved.delivery._replace(url=url or _url(endpoint, saved))
        verifier = endpoint.verifier
        every = application.every_endpoint()
        others = [(each.name, each.verifier) for each in every if each is not endpoint and each.verifier.lookup is None]
        if verifier.lookup is not None:
            with application.around():
                verifier, others = _of_tenant(endpoint, saved, delivery.url), []
        known = Known(name=name, endpoints=others, target=saved.target, now=at)
        return Asked(_as_of(verifier, at), saved._replace(delivery=delivery), known)


def _named(name: str, application: Application) -> Endpoint:
    known = {each.name: each for each in application.every_endpoint()}
    if name not in known:
        hint = suggestion(name, known, f"the endpoints are {', '.join(map(repr, sorted(known))) or 'none'}")
        raise click.UsageError(f"the application has no endpoint {name!r}: {hint}")
    return known[name]


def _url(endpoint: Endpoint, saved: Saved) -> str:
    """Return the URL that the endpoint checks: of its settings, as far as they name one, otherwise that of the file."""
    try:
        configured = endpoint.url(saved.target or saved.delivery.target)
    except Rejected as error:
        click.echo(f"caution: the endpoint rejects the URL of the file: {error}", err=True)
        return saved.delivery.url
    return configured if "://" in configured else saved.delivery.url


def _of_tenant(endpoint: Endpoint, saved: Saved, url: str) -> VerifierLike:
    """Return the verifier of the tenant that the endpoint's lookup finds for the delivery."""
    path = endpoint.looked_up(saved.target or url)
    found: Any = cast("Any", endpoint.verifier.lookup)(path, saved.delivery.headers)
    tenant: Tenant | None = asyncio.run(_awaited(found)) if inspect.isawaitable(found) else found
    if tenant is None:
        raise click.UsageError(f"the secret lookup of endpoint {endpoint.name!r} knows no tenant for this delivery")
    return endpoint.verifier.for_tenant(tenant)


async def _awaited(found: Any) -> Any:
    return await found


def _as_of(verifier: VerifierLike, at: float | None) -> VerifierLike:
    """Return the verifier with a clock that shows one moment; without one, with no limit of age."""
    if isinstance(verifier, GatewayVerifier):
        gateway, provider = cast("Verifier", _as_of(verifier.gateway, at)), verifier.provider
        if provider is None:
            return gateway
        return GatewayVerifier(
            provider.preset,
            [key.secret for key in provider.every_key],
            gateway=gateway,
            gateway_delay=verifier.gateway_delay,
            **_age(provider, at),
        )
    if not isinstance(verifier, Verifier):
        raise click.UsageError(f"the endpoint has a {type(verifier).__name__}, which cannot be examined")
    return Verifier(verifier.preset, [key.secret for key in verifier.every_key], **_age(verifier, at))


def _age(verifier: Verifier, at: float | None) -> dict[str, Any]:
    if at is None or verifier.allow_stale:
        return {"allow_stale": True, "clock": time.time if at is None else lambda: at}
    return {"clock": lambda: at, **({} if verifier.tolerance is None else {"tolerance": verifier.tolerance})}

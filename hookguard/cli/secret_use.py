"""``hookguard secrets``: which secret of each endpoint matched last, how often, and which one is safe to remove."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import click

from hookguard import ConfigurationError, Endpoint, GatewayVerifier, Verifier
from hookguard.cli.inputs import example, json_option
from hookguard.cli.listing import span
from hookguard.cli.naming import application_of
from hookguard.cli.store import evidence_of
from hookguard.evidence.contract import DeliveryRecord, Evidence
from hookguard.facts import DAY, LEAST_RETENTION
from hookguard.privacy.shown import printable
from hookguard.schemes.base import Key

__all__ = ["SecretUse", "secrets_used", "use_of"]

#: Seconds in which matches are counted.
WEEK: Final = 7 * DAY
#: Seconds without a match that say nothing yet, however short the time is for which a provider retries.
LEAST_QUIET: Final = DAY
#: Records of an endpoint that are read, and those that are read at a time.
MOST: Final = 200_000
PAGE: Final = 500


@dataclass(frozen=True)
class SecretUse:
    """How a secret was used. ``last`` is the instant of its last recorded match, None without one."""

    secret: str
    last: float | None
    matches: int  #: in the last seven days
    verdict: str  #: "in use", "safe to remove", "keep" or "unknown"
    reason: str


def use_of(records: Iterable[DeliveryRecord], keys: Sequence[Key], horizon: float, now: float) -> list[SecretUse]:
    """Return the use of each secret. ``records`` are those of one endpoint; ``horizon`` is how long its provider retries.

    A provider that never retries may still be quiet for a while, or may have a second subscription with the old secret. So a
    secret is in use for at least LEAST_QUIET after its last match.
    """
    horizon = max(horizon, LEAST_QUIET)
    matched = sorted((record.at, record.secret) for record in records if record.secret)
    uses = []
    for key in keys:
        times = [at for at, name in matched if name == key.name]
        last = times[-1] if times else None
        verdict, reason = _verdict(key, keys, matched, last, horizon, now)
        uses.append(SecretUse(key.name, last, sum(now - at <= WEEK for at in times), verdict, reason))
    return uses


def _verdict(
    key: Key, keys: Sequence[Key], matched: Sequence[tuple[float, str]], last: float | None, horizon: float, now: float
) -> tuple[str, str]:
    valid = [other for other in keys if other is not key and other.secret.valid_at(now)]
    start = key.secret.not_before
    unused = now - max(last or 0.0, matched[0][0] if matched else now, start or 0.0)
    since = f"unused for {span(unused)}; at least {span(horizon)} are needed"
    if start is not None and start > now:
        return "keep", "not valid yet, by its date"
    if key.name.startswith("#") and len(keys) > 1:
        # The numbers shift when a secret is added, so an older record may mean another one.
        return "unknown", "it has no name, so records of it are not certain: write Secret(…, name=…)"
    if not matched:
        return "unknown", "no verified delivery is recorded"
    if last is not None and unused <= horizon:
        return "in use", ""
    if not valid:
        return "keep", f"{since}, and no other secret is valid"
    if unused <= horizon:
        return "keep", f"{since}: a late retry may still be signed with it"
    # Silence proves nothing: the provider must have signed with another secret, for as long as it retries.
    others = {other.name for other in valid}
    later = [at for at, name in matched if name in others and at > (last or 0.0)]
    if not later or now - later[0] <= horizon:
        return "keep", f"{since}, and no other secret has matched for that long"
    return "safe to remove", since


@click.command(
    "secrets",
    epilog=example("hookguard secrets main:app", "DJANGO_SETTINGS_MODULE=shop.settings hookguard secrets --json"),
)
@click.argument("application", metavar="[MODULE:APP]", required=False)
@click.option("--hooks", metavar="MODULE:NAME", help="The HookGuard, if MODULE has none or several.")
@click.option("--endpoint", metavar="NAME", help="This endpoint only.")
@json_option
def secrets_used(application: str | None, hooks: str | None, endpoint: str | None, as_json: bool) -> None:
    """Show which secret of each endpoint matched last and how often, and which one is safe to remove.

    It reads the records of deliveries of APP, a Flask or ASGI application, or of the project of DJANGO_SETTINGS_MODULE. The
    endpoints need the setting `evidence`.
    """
    with application_of(application, hooks) as described:
        endpoints = [each for each in described.every_endpoint() if endpoint in (None, each.name)]
        with described.around():
            store = described.store
            if not endpoints or not any(each.evidence is not None for each in endpoints):
                what = f"the endpoint {endpoint!r}" if endpoint else "each endpoint"
                raise ConfigurationError(f"{what} of the application is without records of deliveries: set evidence to True")
            found = [_examined(each, evidence_of(store)) for each in endpoints]
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        for each in found:
            _print(each)


def _examined(endpoint: Endpoint, evidence: Evidence) -> dict[str, Any]:
    facts = endpoint.preset.facts
    horizon = facts.horizon.value if facts is not None else LEAST_RETENTION
    about: dict[str, Any] = {"endpoint": endpoint.name, "provider": endpoint.preset.name, "horizon": horizon}
    keys = _keys(endpoint)
    if endpoint.evidence is None or not keys:
        why = "its secrets are looked up for each tenant" if endpoint.evidence is not None else "it records no deliveries"
        return {**about, "skipped": why, "secrets": [], "retired_matches": 0}
    now = time.time()
    records = list(_records(evidence, endpoint.name))
    retired = sum(
        now - record.at <= WEEK and any(each.code == "secret_retired" for each in record.findings) for record in records
    )
    uses = [asdict(each) for each in use_of(records, keys, horizon, now)]
    return {**about, "skipped": "", "secrets": uses, "retired_matches": retired}


def _keys(endpoint: Endpoint) -> tuple[Key, ...]:
    """Return the keys whose names are recorded: the provider's, or the gateway's if only its signature is checked."""
    verifier: Any = endpoint.verifier
    if isinstance(verifier, GatewayVerifier):
        verifier = verifier.provider or verifier.gateway
    return verifier.every_key if isinstance(verifier, Verifier) and verifier.lookup is None else ()


def _records(evidence: Evidence, endpoint: str) -> Iterator[DeliveryRecord]:
    """Yield the records of an endpoint, the newest first."""
    after: int | None = None
    for _ in range(MOST // PAGE):
        page = evidence.find(endpoint=endpoint, after=after, limit=PAGE)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].seq


def _print(found: dict[str, Any]) -> None:
    retries = f"retries for up to {span(found['horizon'])}" if found["horizon"] else "never retries"
    click.echo(f"{found['endpoint']} ({found['provider']}; {retries})")
    if found["skipped"]:
        click.echo(f"  not examined: {found['skipped']}")
    for each in found["secrets"]:
        last = "no match is recorded" if each["last"] is None else f"matched {span(time.time() - each['last'])} ago"
        click.echo(f"  {printable(each['secret'])}: {last}, {each['matches']} times in 7 days: {each['verdict']}")
        if each["reason"]:
            click.echo(f"    {each['reason']}")
    if found["retired_matches"]:
        click.echo(
            f"  {found['retired_matches']} deliveries in 7 days were signed with a secret that is past its date: a sender was"
            " forgotten, or the secret leaked"
        )

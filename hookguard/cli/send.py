"""``hookguard send``: sign and send, to see what a receiver does."""

from __future__ import annotations

from pathlib import Path

import click

from hookguard.cli.inputs import body_options, read_body, read_secrets, secret_options, signing_options
from hookguard.cli.sign import signed
from hookguard.presets import get

__all__ = ["send"]


@click.command()
@click.argument("url")
@click.argument("preset")
@secret_options
@body_options
@signing_options
@click.option(
    "--signed-url",
    metavar="URL",
    help="The URL that the provider was given, where it signs that and this is sent to another; URL by default.",
)
@click.option("--timeout", default=30.0, show_default=True, help="Seconds to wait for the answer.")
def send(
    url: str,
    preset: str,
    secrets: tuple[str, ...],
    secret_names: tuple[str, ...],
    body: str | None,
    body_file: Path | None,
    event_id: str,
    event_type: str,
    timestamp: float | None,
    headers: tuple[str, ...],
    signed_url: str | None,
    timeout: float,
) -> None:
    """Sign a body as PRESET, send it to URL and print the answer.

    The exit status is 0 only when the answer is 2xx.
    """
    import httpx  # noqa: PLC0415 - of the extra `demo`

    if signed_url is not None and not _signs_url(preset):
        raise click.UsageError(f"{preset} does not sign its URL, so --signed-url has no effect: leave it out")
    content, given = read_body(body, body_file), signed_url or url
    delivery = signed(preset, content, read_secrets(secrets, secret_names), event_id, event_type, timestamp, headers, given)
    try:
        answer = httpx.post(
            _target(url, given, delivery.url),
            content=delivery.body,
            headers=delivery.headers.items(),
            timeout=timeout,
            follow_redirects=False,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise click.ClickException(f"{url} did not answer: {error}") from None
    click.echo(f"{answer.status_code} {answer.reason_phrase}")
    for name, value in answer.headers.items():
        click.echo(f"{name}: {value}")
    if answer.text:
        click.echo(f"\n{answer.text}")
    if not answer.is_success:
        raise SystemExit(1)


def _signs_url(preset: str) -> bool:
    """Whether the URL goes into the signature, whole or in parts."""
    return any(part.partition(":")[0] in ("url", "query") for part in get(preset).scheme.covers)


def _target(url: str, given: str, signed_url: str) -> str:
    """Where it is sent: to ``url``, with the query that a proxy would hand on from the URL that was signed.

    Some schemes sign by adding to the query of the URL they were given; a query that ``url`` has itself stays.
    """
    if url == given:
        return signed_url
    if "?" not in url:
        return url + "".join(signed_url.partition("?")[1:])
    added = signed_url[len(given) :] if signed_url.startswith(given) else ""
    return f"{url}&{added[1:]}" if added else url

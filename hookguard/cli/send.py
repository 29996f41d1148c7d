"""``hookguard send``: sign and send, to see what a receiver does."""

from __future__ import annotations

from pathlib import Path

import click

from hookguard.cli.inputs import body_options, read_body, read_secrets, secret_options, signing_options
from hookguard.cli.sign import signed

__all__ = ["send"]


@click.command()
@click.argument("url")
@click.argument("preset")
@secret_options
@body_options
@signing_options
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
    timeout: float,
) -> None:
    """Sign a body as PRESET, send it to URL and print the answer.

    The exit status is 0 only when the answer is 2xx.
    """
    import httpx  # noqa: PLC0415 - of the extra `demo`

    content = read_body(body, body_file)
    delivery = signed(preset, content, read_secrets(secrets, secret_names), event_id, event_type, timestamp, headers, url)
    try:
        answer = httpx.post(
            delivery.url, content=delivery.body, headers=delivery.headers.items(), timeout=timeout, follow_redirects=False
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

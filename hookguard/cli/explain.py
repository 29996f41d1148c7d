"""``hookguard explain``: name the cause why a saved delivery is rejected."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from hookguard import Delivery, Preset, Rejected, Verifier
from hookguard.autopsy import COMMAND_LINE, DEEP, Autopsy, Known
from hookguard.autopsy import explain as examine
from hookguard.cli.inputs import PRESET, example, json_option, read_secrets, read_stdin, secret_options
from hookguard.cli.own_endpoint import own_endpoint
from hookguard.cli.saved import Saved, read_saved
from hookguard.cli.unknown import explain_unknown
from hookguard.verifier import VerifierLike

__all__ = ["as_data", "explain", "print_findings"]

#: The exit status for each verdict.
STATUS = {"genuine": 0, "explained": 1, "suspected": 1, "nothing": 3}

#: The words for a verdict, where its name is not enough.
SAID = {"nothing": "not explained"}

_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.command(
    epilog=example(
        "hookguard explain stripe request.http --secret-env STRIPE_SECRET",
        "hookguard explain --endpoint billing --app main:app request.http",
        "hookguard explain --unknown request.http --secret-env SENDER_SECRET",
    )
)
@click.argument("words", nargs=-1, required=True, metavar="[PRESET] FILE")
@click.option("--endpoint", metavar="NAME", help="An endpoint of your own application, with its secrets; without PRESET.")
@click.option("--app", metavar="MODULE:APP", help="The application of --endpoint; by default that of DJANGO_SETTINGS_MODULE.")
@click.option("--hooks", metavar="MODULE:NAME", help="The HookGuard of --app, if MODULE has none or several.")
@click.option("--unknown", is_flag=True, help="Find the preset, or a declaration of one, that fits; without PRESET.")
@secret_options
@click.option("--url", metavar="URL", help="The URL as the application checks it, if FILE does not hold it.")
@click.option("--at", type=float, help="Check as of this moment, in seconds since 1970; by default the age is not checked.")
@click.option("--entry", default=1, show_default=True, help="The number of the request in a HAR file.")
@click.option("--deep", is_flag=True, help="Search for up to a minute, and write bodies of up to 4 MiB again.")
@json_option
def explain(
    words: tuple[str, ...],
    endpoint: str | None,
    app: str | None,
    hooks: str | None,
    unknown: bool,
    secrets: tuple[str, ...],
    secret_names: tuple[str, ...],
    secret_files: tuple[Path, ...],
    url: str | None,
    at: float | None,
    entry: int,
    deep: bool,
    as_json: bool,
) -> None:
    """Name the cause why the delivery saved in FILE (- for standard input) is rejected as PRESET.

    With --endpoint, take the preset and secrets of your own application, and compare with those of its other endpoints.
    With --unknown, name the preset that fits, and print the declaration of one of your own that verifies the delivery.

    FILE holds raw HTTP, a curl command, a HAR file, or JSON as `hookguard sign --format json` writes it.
    The exit status is 0 if the delivery is genuine, 1 if a cause was found, and 3 if nothing nearby matches.
    """
    if (unknown and endpoint) or ((app or hooks) and not endpoint):
        raise click.UsageError("--app and --hooks go with --endpoint, and --unknown goes with neither")
    preset, file = _words(click.get_current_context(), words, named=not unknown and endpoint is None)
    saved = read_saved(read_stdin("FILE") if str(file) == "-" else file.read_bytes(), entry)
    if endpoint is not None:
        if secrets or secret_names or secret_files:
            raise click.UsageError("--endpoint has the secrets of its settings: leave the others out")
        asked = own_endpoint(endpoint, app, hooks, saved, url=url, at=at)
        raise SystemExit(STATUS[_explained(*asked, deep=deep, as_json=as_json)])
    given = read_secrets(secrets, secret_names, secret_files)
    if url is not None:
        saved = saved._replace(delivery=saved.delivery._replace(url=url))
    if preset is None:
        if at is not None:
            raise click.UsageError("--at has no effect with --unknown, which accepts any age: leave it out")
        verdict = explain_unknown(saved, given, deep=deep, as_json=as_json)
    else:
        clock = time.time if at is None else (lambda: at)
        verifier = Verifier(preset, given, allow_stale=at is None, clock=clock)
        verdict = _explained(verifier, saved, Known(name=preset.name, target=saved.target), deep=deep, as_json=as_json)
    raise SystemExit(STATUS[verdict])


def _words(context: click.Context, words: tuple[str, ...], *, named: bool) -> tuple[Preset | None, Path]:
    """Return the preset, if one must be named, and the file."""
    if len(words) != 1 + named:
        wanted = "PRESET and FILE" if named else "FILE alone"
        raise click.UsageError(f"give {wanted}: there are {len(words)} arguments", context)
    file: Path = _FILE.convert(words[-1], None, context)
    return PRESET.convert(words[0], None, context) if named else None, file


def _explained(verifier: VerifierLike, saved: Saved, known: Known, *, deep: bool, as_json: bool) -> str:
    """Print the findings about one delivery; return the verdict."""
    refusal = _refusal(verifier, saved.delivery)
    autopsy = examine(verifier, saved.delivery, refusal=refusal, known=known, bounds=DEEP if deep else COMMAND_LINE)
    data = as_data(autopsy, refusal)
    if as_json:
        click.echo(json.dumps(data, indent=2))
    else:
        _print(autopsy, data["verdict"], refusal, saved.caution)
    return str(data["verdict"])


def _refusal(verifier: VerifierLike, delivery: Delivery) -> Rejected | None:
    try:
        verifier.verify(delivery)
    except Rejected as error:
        return error
    return None


def _verdict(autopsy: Autopsy) -> str:
    kinds = {each.kind for each in autopsy.findings if each.code not in ("no_match", "unfinished")}
    if not autopsy.findings:
        return "genuine"
    return "explained" if kinds & {"proved", "fact"} else "suspected" if kinds else "nothing"


def as_data(autopsy: Autopsy, refusal: Rejected | None) -> dict[str, Any]:
    """Return an autopsy as the commands print it with ``--json``."""
    return {
        "version": 1,
        "verdict": _verdict(autopsy),
        "refusal": None if refusal is None else refusal.code,
        "findings": [each._asdict() for each in autopsy.findings],
        "finished": autopsy.finished,
        "calls": autopsy.calls,
    }


def _print(autopsy: Autopsy, verdict: str, refusal: Rejected | None, caution: str) -> None:
    said = SAID.get(verdict, verdict)
    click.echo(said if refusal is None else f"{said}: {refusal.code}: {refusal}")
    print_findings(autopsy)
    if caution and autopsy.findings:
        click.echo(f"  caution: {caution}")
    left = "" if autopsy.finished else "; a bound was reached: --deep searches longer"
    click.echo(f"  {autopsy.calls} hypotheses tried in {autopsy.seconds * 1000:.0f} ms{left}")


def print_findings(autopsy: Autopsy) -> None:
    """Print each finding with its next step."""
    for each in autopsy.findings:
        detail = f" ({each.detail})" if each.detail else ""
        click.echo(f"  {each.code} ({each.kind}): {'perhaps ' if each.kind == 'suspected' else ''}{each.sentence}{detail}")
        click.echo(f"    do this: {each.todo}")

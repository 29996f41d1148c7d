"""``hookguard listen``: a real receiver on loopback that prints each delivery and its verdict."""

from __future__ import annotations

import logging
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from hookguard import Outcome, Preset
from hookguard.cli.inputs import PRESET, example, read_secrets, secret_options
from hookguard.cli.saving import Folder, SavingApp

__all__ = ["listen"]

_STYLES = {"handled": "green", "duplicate": "cyan", "challenge": "cyan", "in_progress": "yellow", "rejected": "red"}


@click.command(epilog=example("hookguard listen github --secret-env GITHUB_SECRET --port 8787 --save deliveries"))
@click.argument("preset", type=PRESET)
@secret_options
@click.option("--port", default=8787, show_default=True, help="0 lets the system choose.")
@click.option("--store", default="hookguard-listen.sqlite3", show_default=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--save",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write each delivery into a file of this folder, as raw HTTP that explain, verify and send read.",
)
@click.option("--show-body", is_flag=True, help="Print the bodies of genuine events.")
def listen(
    preset: Preset,
    secrets: tuple[str, ...],
    secret_names: tuple[str, ...],
    secret_files: tuple[Path, ...],
    port: int,
    store: Path,
    save: Path | None,
    show_body: bool,
) -> None:
    """Receive deliveries of PRESET on loopback, on any path, and print what becomes of each.

    PRESET is a name from `hookguard presets`, or the dotted path of your own. Genuine events are remembered in the SQLite
    file --store, so that duplicates are seen across restarts. With --save, rejected deliveries are saved as well; a file holds
    the body and the signature, and only you may read it.
    """
    import uvicorn  # noqa: PLC0415 - of the extra `demo`

    from hookguard_starlette import HookGuard  # noqa: PLC0415 - needs anyio, of the extra `demo`

    console = Console(highlight=False)
    folder = None if save is None else Folder(save)
    _quiet_log()

    def show(outcome: Outcome) -> None:
        line = Text.assemble(
            (f"{outcome.outcome:<12}", _STYLES.get(outcome.outcome, "bold red")),
            f"{outcome.status or '':<4} {outcome.event_type or '-'} {outcome.event_id or '-'}",
            (f"  {outcome.reason_code}: {outcome.reason}" if outcome.reason else "", "dim"),
        )
        console.print(line, soft_wrap=True)

    async def accept(scope: Any, receive: Any, send: Any) -> None:
        if show_body:
            console.print(scope["state"]["webhook"].body.decode("utf-8", "replace"), style="dim", soft_wrap=True, markup=False)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    hooks = HookGuard(
        {"listen": {"preset": preset, "secrets": read_secrets(secrets, secret_names, secret_files)}},
        store=f"sqlite:///{store.absolute()}",
        observers=[show],
    )
    app: Any = hooks.wrap(accept, "listen")
    if folder is not None:
        largest = hooks.guard_for("listen").endpoint.max_body
        app = SavingApp(app, folder, largest, lambda text: console.print(text, style="dim", soft_wrap=True, markup=False))
    with _listening_at(port) as listening:
        console.print(
            f"Listening for {preset.name} at http://127.0.0.1:{listening.getsockname()[1]}/ (any path). Ctrl+C stops.",
            soft_wrap=True,
        )
        config = uvicorn.Config(app, log_level="warning", lifespan="off")
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
    console.print("Stopped.")


def _listening_at(port: int) -> socket.socket:
    """Return a socket to which senders may connect already, so that the line that names it is true."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise click.ClickException(f"port {port} cannot be used ({error}): choose another with --port") from None
    return listening


def _quiet_log() -> None:
    """Keep outcomes out of the log, as they are printed already; everything else is still logged."""
    handler = logging.StreamHandler()
    handler.addFilter(lambda record: not hasattr(record, "outcome"))
    log = logging.getLogger("hookguard")
    log.handlers[:] = [handler]
    log.propagate = False

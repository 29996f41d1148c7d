"""The group of commands, and their errors: one sentence, exit status 2, no traceback."""

from __future__ import annotations

import warnings
from typing import Any

import click

from hookguard import HookguardError
from hookguard.cli.deliveries import deliveries
from hookguard.cli.demo import demo
from hookguard.cli.doctor import doctor
from hookguard.cli.explain import explain
from hookguard.cli.inbox import inbox
from hookguard.cli.listen import listen
from hookguard.cli.presets import presets
from hookguard.cli.replay import replay_delivery
from hookguard.cli.secret_use import secrets_used
from hookguard.cli.send import send
from hookguard.cli.sign import sign
from hookguard.cli.store import about_missing, store
from hookguard.cli.verify import verify
from hookguard.cli.work import work
from hookguard.errors import MissingTable
from hookguard.version import __version__

__all__ = ["hookguard"]


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        warnings.showwarning = _show_warning
        try:
            return super().invoke(ctx)
        except MissingTable as missing:
            raise click.UsageError(about_missing(missing)) from None
        except HookguardError as error:
            raise click.UsageError(str(error)) from None
        except ModuleNotFoundError as missing:
            if missing.name not in ("anyio", "httpx", "uvicorn"):
                raise
            raise click.UsageError(f"this command needs {missing.name}: pip install 'hookguard-webhooks[demo]'") from None


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(f"warning: {message}", err=True)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="hookguard %(version)s")
def hookguard() -> None:
    """Receive webhooks that are genuine, fresh, handled once and never lost."""


for _command in (
    deliveries,
    demo,
    doctor,
    explain,
    inbox,
    listen,
    presets,
    replay_delivery,
    secrets_used,
    send,
    sign,
    store,
    verify,
    work,
):
    hookguard.add_command(_command)

"""The group of commands, and how their mistakes are told: one sentence, exit status 2, no traceback."""

from __future__ import annotations

from typing import Any

import click

from hookguard import HookguardError
from hookguard.cli.demo import demo
from hookguard.cli.listen import listen
from hookguard.cli.presets import presets
from hookguard.cli.send import send
from hookguard.cli.sign import sign
from hookguard.cli.store import store
from hookguard.cli.verify import verify
from hookguard.version import __version__

__all__ = ["hookguard"]


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HookguardError as error:
            raise click.UsageError(str(error)) from None
        except ModuleNotFoundError as missing:
            if missing.name not in ("anyio", "httpx", "uvicorn"):
                raise
            raise click.UsageError(f"this command needs {missing.name}: pip install 'hookguard-webhooks[demo]'") from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="hookguard %(version)s")
def hookguard() -> None:
    """Receive webhooks that are genuine, fresh, handled once and never lost."""


for _command in (demo, listen, presets, send, sign, store, verify):
    hookguard.add_command(_command)

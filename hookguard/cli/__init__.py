"""The command line. It needs the extra ``cli``; ``demo`` and ``listen`` need the extra ``demo``."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run ``hookguard``; without the extra, print how to install it and exit with 2."""
    try:
        from hookguard.cli.app import hookguard  # noqa: PLC0415 - the packages it needs may not be there
    except ModuleNotFoundError as missing:
        if missing.name not in ("click", "rich"):
            raise
        print("The command line needs two more packages: pip install 'hookguard-webhooks[cli]'", file=sys.stderr)
        raise SystemExit(2) from None
    hookguard(prog_name="hookguard")

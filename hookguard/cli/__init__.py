"""The command line. What it needs comes with the extra ``cli``, and for ``demo`` and ``listen`` with ``demo``."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run ``hookguard``; without the extra, say how to install it and exit with 2."""
    try:
        from hookguard.cli.app import hookguard  # noqa: PLC0415 - the packages it needs may not be there
    except ModuleNotFoundError as missing:
        if missing.name not in ("click", "rich"):
            raise
        print("The command line needs two more packages: pip install 'hookguard-webhooks[cli]'", file=sys.stderr)
        raise SystemExit(2) from None
    hookguard(prog_name="hookguard")

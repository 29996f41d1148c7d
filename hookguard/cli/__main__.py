"""``python -m hookguard.cli``."""

from hookguard.cli import main

main()

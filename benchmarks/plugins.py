"""The cost of a guarded view, against the same framework with the check written by hand in the view.

    python benchmarks/plugins.py [flask] [django] [starlette] [fastapi] [--rounds 21]

GitHub's scheme over 2 KB, called through each framework's own gateway without a server, with what gunicorn and uvicorn hand
over. Rows: the view alone; the view with the check a careful developer writes; the same with a dict behind a lock to remember
ids, which is as near as hand-written code comes to what the guard does; and the guard (verify, claim, complete, log line off)
with the memory store. The figures are CPU time of a whole request; the ratio is to the view with the check and the dict.

Then a route of the same application without a webhook, without hookguard and with it. The others are in files of their own:
server.py (behind uvicorn), bursts.py (200 concurrent ones), stops.py (the memory store), peers.py (other packages).
"""

import argparse
import logging
import warnings

import frameworks
from rounds import compare, show

FRAMEWORKS = ("flask", "django", "starlette", "fastapi")


def main():
    """Measure each framework in turn."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("frameworks", nargs="*", default=FRAMEWORKS, help="by default all four")
    arguments.add_argument("--rounds", type=int, default=21)
    given = arguments.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("hookguard").setLevel(logging.CRITICAL)
    for name in given.frameworks:
        framework = getattr(frameworks, name)
        calls, batch = framework()
        others = {name: calls.pop(name) for name in (frameworks.OTHER, frameworks.OTHER_BESIDE)}
        for title, rows in ((framework.__doc__, calls), (f"{framework.__doc__} A route without a webhook.", others)):
            result = compare(rows, rounds=given.rounds, seconds=0.05)
            show(title, {row: (time / batch, ratio) for row, (time, ratio) in result.items()})


if __name__ == "__main__":
    main()

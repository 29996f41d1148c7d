"""Serves an app in a process of its own, and sends it deliveries."""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from hookguard import presets

EXAMPLES = Path(__file__).parents[2] / "examples"
SECRETS = {"GITHUB_SECRET": "a-secret-of-your-own-choosing", "STRIPE_SECRET": "whsec_shown-in-the-dashboard"}
PUSH = presets.GITHUB.sign(b'{"ref": "refs/heads/main"}', SECRETS["GITHUB_SECRET"], id="1", type="push")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(folder, command, secrets):
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**{name: value for name, value in os.environ.items() if name not in SECRETS}, **secrets},
    )


@contextmanager
def serving(folder, command, port, secrets):
    """Start it, wait until it listens, give its URL and what it has printed once it is over."""
    process = start(folder, command, secrets)
    killer = threading.Timer(300, process.kill)
    killer.start()
    printed = []
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, process.stdout.read()
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", printed
    finally:
        process.terminate()
        printed.append(process.communicate(timeout=30)[0])
        killer.cancel()


def post(url, delivery):
    request = urllib.request.Request(url, delivery.body, dict(delivery.headers.items()))
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as rejected:
        with rejected:
            return rejected.code

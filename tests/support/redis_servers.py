"""A Redis of one's own, to stop, pause, fill and restart; and a proxy that loses answers."""

import os
import random
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest
import redis
from running import free_port


class Server:
    """redis-server on a port of its own, with settings in a file, on its command line, or both."""

    def __init__(self, folder, *options, conf=None):
        if shutil.which("redis-server") is None:
            message = "redis-server is not installed, and only one of its own can be broken: apt-get install redis-server"
            if os.environ.get("HOOKGUARD_TEST_SERVERS") == "required":
                pytest.fail(message, pytrace=False)
            pytest.skip(message)
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [
            "redis-server",
            *([] if conf is None else [str(conf)]),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(folder),
        ]
        self._command += [*([] if conf else ["--appendonly", "no"]), *options]
        self.start()

    def start(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                with redis.Redis.from_url(self.url) as client:
                    client.ping()
                    return
            except redis.RedisError:
                assert time.monotonic() < deadline, "redis-server does not start"
                time.sleep(0.02)

    def stop(self, how=signal.SIGKILL):
        self._process.send_signal(how)
        self._process.wait(20)

    def pause(self):
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def close(self):
        if self._process.poll() is None:
            self.resume()
            self.stop()

    def ask(self, *command):
        with redis.Redis.from_url(self.url) as client:
            return client.execute_command(*command)


@contextmanager
def starting(folder):
    """Give a function that starts servers, each in a folder of its own, and see to their end."""
    with ExitStack() as stack:

        def start(*options):
            own = folder / str(len(list(folder.iterdir())))
            own.mkdir()
            server = Server(own, *options)
            stack.callback(server.close)
            return server

        yield start


class LosingProxy:
    """Passes bytes on, and loses a share of the answers: the server has done what was asked, and nobody hears of it."""

    def __init__(self, port, share, seed=5):
        self._port = port
        self._share = share
        self._chance = random.Random(seed)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listening.getsockname()[1]}/0"
        self.lost = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client):
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            greeted = False
            try:
                while True:
                    ready, _, _ = select.select([client, server], [], [])
                    if client in ready:
                        if not (asked := client.recv(65536)):
                            return
                        # Only answers to scripts are lost: the first commands of a connection come from redis-py.
                        greeted = greeted or b"EVAL" in asked
                        server.sendall(asked)
                    if server in ready:
                        answer = server.recv(65536)
                        if not answer:
                            return
                        if greeted and self._chance.random() < self._share:
                            self.lost += 1
                            return
                        client.sendall(answer)
            except OSError:
                return

    def close(self):
        self._listening.close()

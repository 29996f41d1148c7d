"""A PostgreSQL or MariaDB of one's own, stopped or demoted in the middle; a proxy that hangs, hangs up, and loses answers."""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from running import free_port
from servers import missing


class PostgreSQL:
    """A server in a folder of its own."""

    def __init__(self):
        # Not under pytest's folder, which the server's own user may not enter.
        self._folder = tempfile.mkdtemp(prefix="hookguard-postgresql-")
        folder = Path(self._folder)
        found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin")), Path(shutil.which("initdb") or "").parent]
        programs = next((place for place in reversed(found) if (place / "initdb").exists()), None)
        if programs is None:
            missing("PostgreSQL is not installed, and only one of its own can be stopped: apt-get install postgresql")
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        data = str(folder / "data")
        # PostgreSQL does not run as root.
        self._user = {}
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            self._user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(folder, user.pw_uid, user.pw_gid)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", **self._user}
        initdb = ["initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        subprocess.run([programs / initdb[0], *initdb[1:]], check=True, **quiet)
        command = ["postgres", "-D", data, "-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        command += ["-c", f"unix_socket_directories={folder}"]
        self._start = ([programs / command[0], *command[1:]], quiet)
        self.start()

    def start(self):
        command, quiet = self._start
        # A group of its own: its backends are stopped with it.
        self._process = subprocess.Popen(command, start_new_session=True, **quiet)
        deadline = time.monotonic() + 30
        while True:
            try:
                import psycopg

                psycopg.connect(self.url).close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "PostgreSQL does not start"
                time.sleep(0.05)

    def _tell(self, what):
        # Backends are process groups of their own, so each gets the signal.
        children = subprocess.run(["pgrep", "-P", str(self._process.pid)], capture_output=True, text=True, check=False)
        for pid in [self._process.pid, *map(int, children.stdout.split())]:
            with suppress(ProcessLookupError):  # a backend may end on its own
                os.kill(pid, what)

    def stop(self):
        """Stop it as ``pg_ctl restart`` does: transactions are aborted, and connections closed."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(20)

    def pause(self):
        self._tell(signal.SIGSTOP)

    def resume(self):
        self._tell(signal.SIGCONT)

    def demote(self, demoted=True):
        """Take no writes any more, as a primary that became a replica; connections stay as they are."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True, options="-c default_transaction_read_only=off") as admin:
            admin.execute(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if demoted else 'off'}")
            admin.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 10
        with psycopg.connect(self.url, autocommit=True) as admin:
            while admin.execute("SHOW default_transaction_read_only").fetchone() != ("on" if demoted else "off",):
                assert time.monotonic() < deadline, "PostgreSQL does not read its settings"
                time.sleep(0.02)

    def close(self):
        self.resume()
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(20)
        shutil.rmtree(self._folder)


class MariaDB:
    """A server in a folder of its own, with a user whom read_only stops, as it does not stop root."""

    def __init__(self):
        program, install = (shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") for name in _MARIADB)
        if program is None or install is None:
            missing("MariaDB is not installed, and only one of its own can be demoted: apt-get install mariadb-server")
        self._folder = tempfile.mkdtemp(prefix="hookguard-mariadb-")
        data = str(Path(self._folder, "data"))
        self._user = {}
        if os.getuid() == 0:
            user = pwd.getpwnam("mysql")
            self._user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self._folder, user.pw_uid, user.pw_gid)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", **self._user}
        command = [install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(command, check=True, **quiet)
        self.port = free_port()
        command = [program, "--no-defaults", f"--datadir={data}", f"--port={self.port}", "--bind-address=127.0.0.1"]
        command += [f"--socket={self._folder}/socket", f"--pid-file={self._folder}/pid", "--skip-name-resolve"]
        command += ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M"]
        self._process = subprocess.Popen(command, **quiet)
        self.url = f"mysql://shop@127.0.0.1:{self.port}/shop"
        deadline = time.monotonic() + 30
        while True:
            try:
                self.execute("CREATE DATABASE shop", "CREATE USER shop@'127.0.0.1'", "GRANT ALL ON shop.* TO shop@'127.0.0.1'")
                break
            except OSError:
                assert time.monotonic() < deadline, "MariaDB does not start"
                time.sleep(0.05)

    def execute(self, *statements):
        """As root."""
        import pymysql

        try:
            admin = pymysql.connect(host="127.0.0.1", port=self.port, user="root")
        except pymysql.OperationalError as error:
            raise OSError from error
        with admin, admin.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def demote(self, demoted=True):
        """Take no writes any more; connections stay as they are."""
        self.execute(f"SET GLOBAL read_only = {int(demoted)}")

    def close(self):
        self._process.terminate()
        self._process.wait(20)
        shutil.rmtree(self._folder)


_MARIADB = ("mariadbd", "mariadb-install-db")


class Proxy:
    """Stands before a server. ``chooses(sent)`` says for each request what becomes of it: see the constants."""

    PASS, LOSE_REPLY, LOSE_REQUEST, HANG = "pass", "lose the reply", "lose the request", "hang"

    def __init__(self, port, host="127.0.0.1"):
        self._there = (host, port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.chooses = lambda sent: self.PASS
        self.lost = 0
        self._open = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def leads_to(self, port, host="127.0.0.1"):
        """Lead new connections there, as the name of a database does after a failover."""
        self._there = (host, port)

    def loses(self, share, seed, apart=0):
        """Lose a random share of what is asked: the server does it, or not, and the client hears nothing of it.

        After each loss, ``apart`` requests pass: with a dozen, a step that is tried again gets through.
        """
        chance = random.Random(seed)
        passing = 0

        def chooses(sent):
            nonlocal passing
            passing -= 1
            if passing >= 0 or chance.random() >= share:
                return self.PASS
            passing = apart
            return chance.choice((self.LOSE_REPLY, self.LOSE_REPLY, self.LOSE_REQUEST))

        self.chooses = chooses

    def _accept(self):
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._there)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            state = {"losing": False}
            threading.Thread(target=self._requests, args=(client, server, state), daemon=True).start()
            threading.Thread(target=self._replies, args=(client, server, state), daemon=True).start()

    def _requests(self, client, server, state):
        try:
            while sent := client.recv(65536):
                choice = self.chooses(sent)
                if choice == self.HANG:
                    threading.Event().wait(60)
                    break
                if choice != self.PASS:
                    self.lost += 1
                if choice == self.LOSE_REQUEST:
                    break
                if choice == self.LOSE_REPLY:
                    state["losing"] = True
                server.sendall(sent)
        except OSError:
            pass
        if not state["losing"]:
            self._end(client, server)

    def _replies(self, client, server, state):
        try:
            while answered := server.recv(65536):
                if state["losing"]:
                    break  # it has answered, so it is done; nobody will hear
                client.sendall(answered)
        except OSError:
            pass
        self._end(client, server)

    def _end(self, *sockets):
        for each in sockets:
            with self._lock:
                self._open.discard(each)
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def close(self):
        self._end(self._listening, *list(self._open))

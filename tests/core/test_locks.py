"""No lock, condition or thread from before a fork, or from before threads became greenlets, is ever waited for."""

import os
import subprocess
import sys
import textwrap
import threading

import pytest

from hookguard.process import locks
from hookguard.process.locks import Lazy, Lock

#: Imports every module of the four packages, and prints who makes something there that threads wait for.
IMPORTS = """
import asyncio, concurrent.futures, functools, importlib, logging, pkgutil, queue, sys, threading, _thread

culprits = set()

def note(kind):
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name == "django.dispatch.dispatcher":
            return  # every signal of Django's has a lock, which it holds for a moment and without waiting
        if name.startswith("importlib") or "importlib" in frame.f_code.co_filename:
            return  # what others do when they are imported is their business
        if name.partition(".")[0] in PACKAGES:
            culprits.add(f"{name}:{frame.f_lineno} {kind}")
        frame = frame.f_back

def function(name, make):
    def noted(*given, **named):
        note(name)
        return make(*given, **named)
    return noted

def watch(kind):
    begin = kind.__init__
    def noted(self, *given, **named):
        note(kind.__name__)
        begin(self, *given, **named)
    kind.__init__ = noted

PACKAGES = ("hookguard", "hookguard_flask", "hookguard_django", "hookguard_starlette")
from django.conf import settings
apps = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.messages", "django.contrib.admin"]
settings.configure(INSTALLED_APPS=[*apps, "hookguard_django"], HOOKGUARD={})
import django.core.management, flask, anyio.to_thread, starlette.requests, sqlalchemy.orm, sqlalchemy.ext.asyncio, redis.asyncio, httpx, uvicorn, rich, click, hypothesis
for kind in (threading.Condition, threading.Event, threading.Semaphore, threading.Barrier, threading.Thread):
    watch(kind)
for name in ("Lock", "RLock", "local"):
    setattr(threading, name, function(name, getattr(threading, name)))
functools.RLock = threading.RLock  # cached_property, before Python 3.12
_thread.allocate_lock = function("allocate_lock", _thread.allocate_lock)
django.setup()
for package in PACKAGES:
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
print(*sorted(culprits), sep="\\n")
"""


def test_importing_the_packages_makes_nothing_that_threads_wait_for():
    for needed in (
        "django",
        "flask",
        "anyio",
        "sqlalchemy",
        "redis",
        "httpx",
        "uvicorn",
        "rich",
        "click",
        "cryptography",
        "jwt",
        "hypothesis",
    ):
        pytest.importorskip(needed)
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_each_world_has_one_of_its_own(monkeypatch):
    made = Lazy(object)
    here = made.get()
    assert made.get() is here
    monkeypatch.setattr(threading, "Lock", lambda: None)  # what gevent and eventlet do
    there = made.get()
    assert there is not here
    assert made.get() is there
    monkeypatch.undo()
    assert made.get() is here


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_lock_that_was_held_at_a_fork_is_free_in_the_child():
    script = """
    import os, threading
    from hookguard.process.locks import Lock

    lock, held, over = Lock(), threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            over.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    if (child := os.fork()) == 0:
        with lock:
            os._exit(7)
    status = os.waitpid(child, 0)[1]
    over.set()
    raise SystemExit(os.waitstatus_to_exitcode(status))
    """
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)], timeout=30, check=False)
    assert done.returncode == 7


def test_a_lock_that_is_entered_again():
    lock = Lock(reentrant=True)
    with lock, lock:
        assert locks.world()[0] == os.getpid()


#: Forks as uWSGI does: in C, so that no hook of Python's is called. It has a module of its own in each of its interpreters.
FORKS_IN_C = """
import ctypes, os, sys, types

sys.modules["uwsgi"] = types.ModuleType("uwsgi")
from hookguard.process.locks import Lazy, world

made = Lazy(object)
before, own = world(), made.get()
if ctypes.PyDLL(None).fork() == 0:
    os._exit(0 if world() != before and made.get() is not own else 7)
print(os.waitstatus_to_exitcode(os.wait()[1]), made.get() is own)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_fork_of_uwsgi_is_another_world():
    command = [sys.executable, "-c", FORKS_IN_C]
    assert subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout == "0 True\n"

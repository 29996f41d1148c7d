import sys
from types import SimpleNamespace

import pytest

from hookguard import Endpoint, Verifier
from hookguard.workers import declared_timeout, declared_workers


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    for name in ("WEB_CONCURRENCY", "GUNICORN_CMD_ARGS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "argv", ["serve.py"])


def endpoint(**options):
    return Endpoint(Verifier("stripe", "whsec_long-enough-to-be-one"), **options)


@pytest.mark.parametrize(
    ("concurrency", "arguments", "workers"),
    [
        (None, None, 1),
        ("3", None, 3),
        ("auto", None, 1),
        ("3", "--workers 5", 3),
        (None, "--bind :80 -w 4", 4),
        (None, "-w4", 4),
        (None, "--workers=3 -k gthread", 3),
        (None, "--workers-like=9", 1),
        (None, "--bind 'half a quote", 1),
    ],
)
def test_how_many_workers(monkeypatch, concurrency, arguments, workers):
    if concurrency:
        monkeypatch.setenv("WEB_CONCURRENCY", concurrency)
    if arguments:
        monkeypatch.setenv("GUNICORN_CMD_ARGS", arguments)
    assert declared_workers() == workers


@pytest.mark.parametrize(
    ("argv", "arguments", "timeout"),
    [
        (["serve.py", "--timeout", "90"], "--timeout 90", None),
        (["/usr/bin/gunicorn", "app:app"], None, 30),
        (["/lib/gunicorn/__main__.py", "-t", "45", "app:app"], None, 45),
        (["gunicorn", "--timeout=120", "app:app"], "--timeout 5", 120),
        (["gunicorn", "app:app"], "--timeout 5", 5),
        (["gunicorn", "--timeout", "0", "app:app"], None, None),
    ],
)
def test_how_long_gunicorn_waits(monkeypatch, argv, arguments, timeout):
    monkeypatch.setattr(sys, "argv", argv)
    if arguments:
        monkeypatch.setenv("GUNICORN_CMD_ARGS", arguments)
    assert declared_timeout() == timeout


@pytest.mark.parametrize(("options", "timeout"), [({"harakiri": b"20"}, 20), ({}, None)])
def test_how_long_uwsgi_waits(monkeypatch, options, timeout):
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt=options))
    assert declared_timeout() == timeout


def test_a_lease_that_ends_before_the_server_gives_up_is_warned_of(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gunicorn", "--timeout", "90", "app:app"])
    with pytest.warns(UserWarning, match=r"lease of 60 s and its server lets a worker be busy for 90 s.*heartbeat"):
        endpoint()
    endpoint(lease=90)
    endpoint(heartbeat=True)
    endpoint(worker_timeout=30)


def test_the_setting_says_what_cannot_be_seen():
    with pytest.warns(UserWarning, match=r"busy for 61 s"):
        endpoint(worker_timeout=61)

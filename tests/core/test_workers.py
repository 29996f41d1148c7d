import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from hookguard import ConfigurationError, Endpoint, MemoryStore, Verifier
from hookguard.process.server import declared_threads, declared_timeout, declared_workers


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    for name in ("WEB_CONCURRENCY", "GUNICORN_CMD_ARGS", "UVICORN_WORKERS", "GRANIAN_WORKERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "argv", ["serve.py"])


def endpoint(**options):
    return Endpoint(Verifier("stripe", "whsec_long-enough-to-be-one"), **options)


@pytest.mark.parametrize(
    ("argv", "concurrency", "arguments", "workers"),
    [
        ("serve.py", None, None, 1),
        ("serve.py", "3", None, 3),
        ("serve.py", "auto", None, 1),
        ("serve.py", "3", "--workers 5", 5),
        ("serve.py", None, "--bind :80 -w 4", 4),
        ("serve.py", None, "-w4", 4),
        ("serve.py", None, "--workers=3 -k gthread", 3),
        ("serve.py", None, "--workers-like=9", 1),
        ("serve.py", None, "--bind 'half a quote", 1),
        ("serve.py --workers 4", None, None, 1),
        ("/srv/uvicorn/serve.py --workers 4", None, None, 1),
        ("/usr/bin/gunicorn -w 4 app:app", None, None, 4),
        ("/lib/gunicorn/__main__.py app:app --workers=4", None, None, 4),
        ("gunicorn -w 1 app:app", "3", "-w 5", 1),
        ("gunicorn app:app", "3", "-w 5", 5),
        ("gunicorn app:app", "3", None, 3),
        ("/usr/bin/uvicorn app:app --workers 4", None, None, 4),
        ("/lib/uvicorn/__main__.py --workers=4 app:app", None, None, 4),
        ("uvicorn app:app --workers 1", "3", None, 1),
        ("uvicorn app:app", "3", "-w 5", 3),
        ("fastapi run --workers 2", None, None, 2),
        ("/lib/hypercorn/__main__.py -w 2 app:app", None, None, 2),
        ("granian --workers 2 app:app", None, None, 2),
    ],
)
def test_how_many_workers(monkeypatch, argv, concurrency, arguments, workers):
    monkeypatch.setattr(sys, "argv", argv.split())
    if concurrency:
        monkeypatch.setenv("WEB_CONCURRENCY", concurrency)
    if arguments:
        monkeypatch.setenv("GUNICORN_CMD_ARGS", arguments)
    assert declared_workers() == workers
    if workers > 1:
        with pytest.raises(ConfigurationError, match=f"{workers} worker processes"):
            MemoryStore()
        assert MemoryStore(single_process=True) is not None
    else:
        assert MemoryStore() is not None


@pytest.mark.parametrize(
    ("server", "told"), [("uwsgi", {"numproc": 4, "opt": {}}), ("mod_wsgi", {"maximum_processes": 4}), ("uwsgi", {"opt": {}})]
)
def test_servers_that_say_it_by_a_module(monkeypatch, server, told):
    monkeypatch.setitem(sys.modules, server, SimpleNamespace(**told))
    assert declared_workers() == (4 if len(told) > 1 or server == "mod_wsgi" else 1)


def test_a_variable_stands_for_an_option(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["granian", "app:app"])
    monkeypatch.setenv("GRANIAN_WORKERS", "4")
    assert declared_workers() == 4


@pytest.mark.parametrize(
    ("argv", "module"),
    [(["gunicorn", "app:app"], "__config__"), (["gunicorn", "-c", "python:shop.serving", "app:app"], "shop.serving")],
)
def test_gunicorns_configuration_file(monkeypatch, argv, module):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setitem(sys.modules, module, SimpleNamespace(workers=4, timeout=90))
    assert (declared_workers(), declared_timeout()) == (4, 90)
    monkeypatch.setattr(sys, "argv", [*argv, "-w", "2", "-t", "5"])
    assert (declared_workers(), declared_timeout()) == (2, 5)


SERVED = """
from hookguard import MemoryStore
MemoryStore()
async def app(scope, receive, send): pass
"""


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "gunicorn", "--no-control-socket", "-b", "127.0.0.1:0", "-w", "2", "served:app"],
        ["-m", "gunicorn", "--no-control-socket", "-b", "127.0.0.1:0", "served:app"],
        ["-m", "uvicorn", "--port", "0", "--workers", "2", "served:app"],
        ["-c", "import sys, uvicorn; uvicorn.run('served:app', workers=2, port=0)"],
    ],
    ids=["gunicorn's arguments", "gunicorn's file", "uvicorn's arguments", "uvicorn.run"],
)
def test_a_server_of_several_workers_does_not_start_with_memory(tmp_path, command):
    for server in ("gunicorn", "uvicorn"):
        pytest.importorskip(server)
    (tmp_path / "served.py").write_text(SERVED)
    if "-w" not in command:
        (tmp_path / "gunicorn.conf.py").write_text("workers = 2")
    process = subprocess.Popen(
        [sys.executable, *command], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    killer = threading.Timer(300, process.kill)
    killer.start()
    try:
        assert any("2 worker processes are configured" in line for line in process.stdout)
    finally:
        process.terminate()
        process.communicate(timeout=30)
        killer.cancel()


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
    with pytest.warns(UserWarning, match=r"lease of 60 s, and its server lets a worker be busy for 90 s.*heartbeat"):
        endpoint()
    endpoint(lease=90)
    endpoint(heartbeat=True)
    endpoint(worker_timeout=30)


def test_the_setting_says_what_cannot_be_seen():
    with pytest.warns(UserWarning, match=r"busy for 61 s"):
        endpoint(worker_timeout=61)


@pytest.mark.parametrize(
    ("argv", "arguments", "threads"),
    [
        ("serve.py --threads 8", None, 1),
        ("/usr/bin/gunicorn --threads 8 app:app", None, 8),
        ("gunicorn app:app", "--threads=4", 4),
        ("gunicorn app:app", None, 1),
        ("uvicorn app:app", "--threads=4", 1),
    ],
)
def test_threads_of_a_worker_are_read_where_the_server_says_them(argv, arguments, threads, monkeypatch):
    monkeypatch.setattr(sys, "argv", argv.split())
    if arguments is not None:
        monkeypatch.setenv("GUNICORN_CMD_ARGS", arguments)
    assert declared_threads() == threads


@pytest.mark.parametrize(
    ("module", "says", "threads"),
    [("uwsgi", {"opt": {"threads": b"6"}}, 6), ("uwsgi", {"opt": {}}, 1), ("mod_wsgi", {"threads_per_process": 15}, 15)],
)
def test_servers_that_are_modules_say_their_threads(module, says, threads, monkeypatch):
    monkeypatch.setitem(sys.modules, module, SimpleNamespace(**says))
    assert declared_threads() == threads

"""The page on metrics: each block as it is printed, in each framework, with a worker and several processes."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

for needed in ("prometheus_client", "flask", "django", "starlette", "httpx"):
    pytest.importorskip(needed)

yaml = pytest.importorskip("yaml", reason="pip install pyyaml")
from metered import SECRET
from pages import ROOT, blocks, shell
from running import free_port
from waiting import until

from hookguard import presets

PAGE = blocks("docs/metrics.md")
TEXT = (ROOT / "docs" / "metrics.md").read_text("utf-8")

#: Sends one delivery, and prints the metrics.
FLASK = """
from hookguard import presets
from shop import app

signed = presets.STRIPE.sign(b'{"id": "evt_1", "type": "t"}', SECRET)
client = app.test_client()
assert client.post("/hooks/stripe", data=signed.body, headers=dict(signed.headers.items())).status_code == 200
reply = client.get("/metrics")
print(reply.content_type)
print(reply.text)
"""

DJANGO = """
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="a-key-for-tests", ALLOWED_HOSTS=["*"], ROOT_URLCONF="routes", INSTALLED_APPS=["hookguard_django"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.sqlite3"}},
    HOOKGUARD={"ENDPOINTS": {"stripe": {"SECRETS": [SECRET]}}, "OBSERVERS": ["shop.metrics.observer"]},
)
django.setup()
from django.core.management import call_command
from django.test import Client

from hookguard import presets

call_command("migrate", verbosity=0)
signed = presets.STRIPE.sign(b'{"id": "evt_1", "type": "t"}', SECRET)
reply = Client().post("/hooks/stripe", signed.body, content_type="application/json", headers=dict(signed.headers.items()))
assert reply.status_code == 200, reply
reply = Client().get("/metrics")
print(reply["Content-Type"])
print(reply.content.decode())
"""

ROUTES = """
import shop.metrics
from django.http import HttpResponse
from django.urls import path

from hookguard_django import webhook


@webhook("stripe")
def stripe(request):
    return HttpResponse()


urlpatterns = [path("hooks/stripe", stripe), path("metrics", shop.metrics.metrics)]
"""

STARLETTE = """
from starlette.testclient import TestClient

from hookguard import presets
from main import app

signed = presets.STRIPE.sign(b'{"id": "evt_1", "type": "t"}', SECRET)
with TestClient(app) as client:
    assert client.post("/hooks/stripe", content=signed.body, headers=dict(signed.headers.items())).status_code == 200
    reply = client.get("/metrics")
print(reply.headers["content-type"])
print(reply.text)
"""

HANDLED = 'hookguard_deliveries_total{endpoint="stripe",outcome="handled",provider="stripe",reason=""} 1.0'


def run(folder, code):
    (folder / "run.py").write_text(f"SECRET = {SECRET!r}\n{code}", "utf-8")
    done = shell(f'"{sys.executable}" -W ignore run.py', folder, STRIPE_SECRET=SECRET, PYTHONPATH=f"{folder}{os.pathsep}{ROOT}")
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.runs("docs/metrics.md", "shop.py")
def test_flask_example_counts(tmp_path):
    PAGE["shop.py"].write(tmp_path)
    shown = run(tmp_path, FLASK)
    assert shown.startswith("text/plain; version=")
    assert HANDLED in shown


@pytest.mark.runs("docs/metrics.md", "shop/metrics.py")
def test_django_example_counts(tmp_path):
    PAGE["shop/metrics.py"].write(tmp_path)
    (tmp_path / "routes.py").write_text(ROUTES, "utf-8")
    shown = run(tmp_path, DJANGO)
    assert shown.startswith("text/plain; version=")
    assert HANDLED in shown


@pytest.mark.runs("docs/metrics.md", "main.py")
def test_starlette_example_counts(tmp_path):
    PAGE["main.py"].write(tmp_path)
    shown = run(tmp_path, STARLETTE)
    assert shown.startswith("text/plain; version=")
    assert HANDLED in shown


@pytest.mark.runs("docs/metrics.md", "The inbox")
def test_collector_of_the_page_counts_an_inbox(tmp_path):
    shown = run(
        tmp_path,
        PAGE["The inbox"].printed() + "\nfrom prometheus_client import generate_latest\nprint(generate_latest().decode())",
    )
    assert "hookguard_inbox_scrape_error 0.0" in shown


def test_collector_takes_the_store_of_a_django_project(tmp_path):
    PAGE["shop/metrics.py"].write(tmp_path)
    (tmp_path / "routes.py").write_text(ROUTES, "utf-8")
    more = """
from prometheus_client import REGISTRY, generate_latest

from hookguard.metrics.inbox import InboxCollector
from hookguard_django.stores import ORMStore

REGISTRY.register(InboxCollector(ORMStore()))
print(generate_latest().decode())
"""
    assert "hookguard_inbox_scrape_error 0.0" in run(tmp_path, DJANGO + more)


def fetched(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as reply:
            return reply.read().decode()
    except OSError:
        return ""


@pytest.mark.runs("docs/metrics.md", "The worker", "shop.py")
def test_worker_serves_its_metrics(tmp_path):
    flask, django = PAGE["The worker"].printed().splitlines()
    assert "hookguard_work --metrics" in django
    example = PAGE["shop.py"].printed().replace('os.environ["STRIPE_SECRET"]]', 'os.environ["STRIPE_SECRET"]], "inbox": True')
    (tmp_path / "shop.py").write_text(example, "utf-8")
    assert 'outcome="stored"' in run(tmp_path, FLASK)
    port = free_port()
    worker = subprocess.Popen(
        [sys.executable, "-m", *flask.replace("9101", str(port)).split()],
        cwd=tmp_path,
        env={**os.environ, "STRIPE_SECRET": SECRET, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    counted = 'hookguard_inbox_runs_total{endpoint="stripe",outcome="handled",part=""} 1.0'
    found = until(lambda: worker.poll() is not None or counted in fetched(port), 120)
    worker.send_signal(signal.SIGTERM)
    said, _ = worker.communicate(timeout=120)
    assert found, said
    assert worker.returncode == 0, said
    assert f"metrics on port {port} of 127.0.0.1" in said.decode()


@pytest.mark.runs("docs/metrics.md", "The worker")
def test_django_worker_has_the_option(tmp_path):
    _, line = PAGE["The worker"].printed().splitlines()
    PAGE["shop/metrics.py"].write(tmp_path)
    (tmp_path / "routes.py").write_text(ROUTES, "utf-8")
    setup = DJANGO.partition("from django.core.management")[0].replace(
        '"SECRETS": [SECRET]', '"SECRETS": [SECRET], "INBOX": True'
    )
    words = line.replace("9101", str(free_port())).split()[2:]
    code = f'{setup}\nfrom django.core.management import call_command\ncall_command("migrate", verbosity=0)\ncall_command(*{words!r}, "--drain")\n'
    assert "of 0.0.0.0" in run(tmp_path, code)


@pytest.mark.parametrize("address", ["", "x", "0", "65536", "127.0.0.1", "a b:9101"])
def test_an_address_for_metrics_is_checked(address):
    from hookguard import ConfigurationError
    from hookguard.metrics.serving import serve_metrics

    with pytest.raises(ConfigurationError, match=r"metrics is .*; give a port, such as 9101"):
        serve_metrics(address, [])


def test_a_worker_without_an_observer_has_no_metrics_to_serve():
    from prometheus_client import CollectorRegistry

    from hookguard import ConfigurationError
    from hookguard.metrics.prometheus import PrometheusObserver
    from hookguard.metrics.serving import serve_metrics

    with pytest.raises(ConfigurationError, match="have 0 registries of metrics: give one PrometheusObserver"):
        serve_metrics("9101", [print])
    with pytest.raises(ConfigurationError, match="have 2 registries"):
        serve_metrics("9101", [PrometheusObserver(CollectorRegistry()), PrometheusObserver(CollectorRegistry())])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigurationError, match="nothing can listen there"):
            serve_metrics(str(taken.getsockname()[1]), [PrometheusObserver(CollectorRegistry())])


#: The view of the page on several processes, in place of the one before it.
SEVERAL = """
import os

from scrape import scrape
from shop import app


def by_process():
    return scrape(), 200, {"Worker": str(os.getpid())}


app.view_functions["metrics"] = by_process
"""


@pytest.mark.runs("docs/metrics.md", "gunicorn.conf.py", "scrape.py", "shop.py")
def test_processes_of_gunicorn_are_added_up(tmp_path):
    pytest.importorskip("gunicorn")
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "counter_1.db").write_bytes(b"of a process that is gone")
    conf = PAGE["gunicorn.conf.py"].printed().replace("/run/shop", str(tmp_path))
    (tmp_path / "gunicorn.conf.py").write_text(conf, "utf-8")
    PAGE["scrape.py"].write(tmp_path)
    PAGE["shop.py"].write(tmp_path)
    (tmp_path / "several.py").write_text(SEVERAL, "utf-8")
    port = free_port()
    environment = {**os.environ, "STRIPE_SECRET": SECRET, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-w", "2", "-b", f"127.0.0.1:{port}", "several:app"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    workers, number = set(), 0
    try:
        assert until(lambda: server.poll() is not None or fetched(port), 120)
        while len(workers) < 2 and number < 2000:
            # Each delivery may come to another process.
            signed = presets.STRIPE.sign(b'{"id": "evt_%d", "type": "t"}' % number, SECRET)
            url = f"http://127.0.0.1:{port}"
            posted = urllib.request.Request(f"{url}/hooks/stripe", signed.body, dict(signed.headers.items()))
            urllib.request.urlopen(posted, timeout=60).close()
            number += 1
            workers = {file.name.rpartition("_")[2] for file in (tmp_path / "metrics").glob("counter_*.db")}
        shown = fetched(port)
    finally:
        server.terminate()
        said, _ = server.communicate(timeout=120)
    assert len(workers) == 2, said
    handled = re.search(r'hookguard_deliveries_total\{endpoint="stripe",outcome="handled",.*\} (\S+)', shown)
    assert handled, shown
    assert float(handled[1]) == number
    assert "hookguard_inbox_scrape_error 0.0" in shown
    assert "hookguard_secret_last_match_timestamp_seconds{" in shown


@pytest.mark.runs("docs/metrics.md", "OpenTelemetry 2")
def test_opentelemetry_example_is_a_list_of_observers():
    pytest.importorskip("opentelemetry")
    [observer] = PAGE["OpenTelemetry 2"].run()["OBSERVERS"]
    assert callable(observer)


def table(heading):
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)[1]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line.startswith("| `")]


def test_table_of_metrics_is_what_the_observer_has():
    from prometheus_client import CollectorRegistry

    from hookguard.metrics.inbox import _families
    from hookguard.metrics.prometheus import PrometheusObserver

    registry = CollectorRegistry()
    observer = PrometheusObserver(registry)
    made = [each for each in vars(observer._metrics).values() if hasattr(each, "_labelnames")]
    expected = {(f"{each._name}_total" if each._type == "counter" else each._name): each._labelnames for each in made}
    expected |= {family.name: tuple(family._labelnames) for family in _families()}
    expected["hookguard_autopsies_skipped_total"] = ("why",)
    rows = {name.strip("`"): tuple(re.findall(r"`(\w+)`", labels)) for name, labels, *_ in table("What is measured")}
    assert rows == expected


def test_table_of_alerts_is_that_of_the_rules():
    rules = yaml.safe_load((ROOT / "docs" / "monitoring" / "hookguard.rules.yml").read_text("utf-8"))
    alerts = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    assert [name.strip("`") for name, *_ in table("Alerts and a dashboard")] == alerts

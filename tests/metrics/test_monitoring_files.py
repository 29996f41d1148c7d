"""The alert rules and the dashboard are valid, and ask only for metrics that real deliveries expose."""

import json
import os
import re
import shutil
import subprocess
from typing import get_args

import pytest

yaml = pytest.importorskip("yaml", reason="pip install pyyaml")
for needed in ("prometheus_client", "flask", "httpx", "uvicorn"):
    pytest.importorskip(needed)

from metered import OTHER, deliver, flask_shop, store_of, value
from pages import ROOT
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from receiving import receiver
from relays import Shop, to
from waiting import until, wait_for_autopsies

from hookguard.autopsy import CAUSES
from hookguard.metrics.inbox import InboxCollector
from hookguard.metrics.prometheus import PrometheusObserver
from hookguard.outcome import OutcomeName
from hookguard.testing import work_off

FOLDER = ROOT / "docs" / "monitoring"
RULES = FOLDER / "hookguard.rules.yml"
DASHBOARD = FOLDER / "hookguard.dashboard.json"
UNIT_TESTS = ROOT / "tests" / "metrics" / "hookguard.rules.test.yml"

#: Labels that Prometheus adds when it scrapes, and those of every histogram's buckets.
ADDED = {"instance", "job", "le"}


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]


def panels():
    return [panel for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"] if panel["type"] != "row"]


def queries():
    """Every query with where it is from."""
    yield from ((rule["alert"], rule["expr"]) for rule in rules())
    yield from ((panel["title"], target["expr"]) for panel in panels() for target in panel["targets"])


def promtool(*words):
    program = shutil.which("promtool")
    if program is None:
        message = "promtool is not installed: apt-get install prometheus"
        if os.environ.get("HOOKGUARD_TEST_SERVERS") == "required":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def exposed(tmp_path_factory):
    """Each metric that real deliveries, runs, autopsies and messages expose, with its labels."""
    folder, registry = tmp_path_factory.mktemp("exposed"), CollectorRegistry()
    observer = PrometheusObserver(registry)
    app = flask_shop(folder, [observer], inbox={"tries": 1})
    registry.register(InboxCollector(store_of(app)))
    deliver(app)
    wait_for_autopsies()  # of earlier tests: one that is examined meanwhile is skipped
    deliver(app, "evt_2", OTHER)
    work_off(app)
    with receiver() as one:
        made = Shop(folder, {"billing": to(one)}, observers=[observer])
        made.deliver(1)
        made.work()
        made.close()
    labels = {"endpoint": "stripe", "cause": "other_endpoint", "kind": "proved"}
    assert until(lambda: value(registry, "autopsies_total", **labels)), generate_latest(registry)
    found = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize(("where", "query"), [*queries()])
def test_a_query_names_only_metrics_that_are_exposed(where, query, exposed):
    names = set(re.findall(r"\bhookguard_\w+", query))
    assert names
    assert names - exposed.keys() == set()


@pytest.mark.parametrize(("where", "query"), [*queries()])
def test_a_query_names_only_labels_and_values_that_exist(where, query, exposed):
    words = {"outcome": {*get_args(OutcomeName), "sent", "not_reached", "target_status", "gone"}, "cause": {*CAUSES}}
    words["why"] = {"busy", "bucket", "too_large"}
    words["state"] = {"waiting", "held", "done", "dead"}
    for name, matchers in re.findall(r"\b(hookguard_\w+)\{(.*?)\}", query):
        for label, values in re.findall(r"(\w+)(?:=~|!=|=)\"(.*?)\"", matchers):
            assert label in exposed[name], (name, label)
            assert label == "endpoint" or {*values.split("|")} <= words[label], values
    labels = {label for name in re.findall(r"\bhookguard_\w+", query) for label in exposed[name]}
    for listed in re.findall(r"\bby \((.*?)\)", query):
        assert {*listed.split(", ")} <= labels | ADDED


def test_every_metric_is_on_the_dashboard(exposed):
    shown = {name for panel in panels() for target in panel["targets"] for name in re.findall(r"hookguard_\w+", target["expr"])}
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in exposed if not name.endswith("_created")}
    shown = {re.sub(r"_bucket$", "", name) for name in shown}
    assert families - shown == {"hookguard_autopsy_seconds"}


def test_the_rules_are_valid():
    status, said = promtool("check", "rules", str(RULES))
    assert status == 0, said


def test_the_queries_of_the_dashboard_are_valid(tmp_path):
    texts = [
        target["expr"].replace("$__rate_interval", "5m").replace("$endpoint", ".*")
        for panel in panels()
        for target in panel["targets"]
    ]
    file = tmp_path / "dashboard.json"  # JSON is YAML
    recorded = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(texts)]
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": recorded}]}), "utf-8")
    status, said = promtool("check", "rules", str(file))
    assert status == 0, said
    assert f"{len(texts)} rules found" in said


def test_every_alert_is_raised_when_it_should_be():
    status, said = promtool("test", "rules", str(UNIT_TESTS))
    assert status == 0, said


def test_every_alert_has_a_case_and_a_first_question():
    cases = {
        case["alertname"]
        for test in yaml.safe_load(UNIT_TESTS.read_text("utf-8"))["tests"]
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert {rule["alert"] for rule in rules()} == cases
    for rule in rules():
        assert rule["annotations"].keys() == {"summary", "first_question"}
        assert "?" in rule["annotations"]["first_question"]
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_a_rule_that_is_broken_fails_its_case(tmp_path):
    (tmp_path / "rules.yml").write_text(RULES.read_text("utf-8").replace('state="dead"', 'state="done"'), "utf-8")
    cases = UNIT_TESTS.read_text("utf-8").replace("../../docs/monitoring/hookguard.rules.yml", "rules.yml")
    (tmp_path / "cases.yml").write_text(cases, "utf-8")
    status, said = promtool("test", "rules", str(tmp_path / "cases.yml"))
    assert status != 0
    assert "HookguardDead" in said


def test_the_panels_of_the_dashboard_have_their_own_places():
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(numbers) == len({*numbers})
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_the_legends_of_the_dashboard_have_every_option():
    """Grafana's schema requires these four: @grafana/schema 12.1, VizLegendOptions."""
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    legends = [panel["options"]["legend"] for panel in dashboard["panels"] if panel["type"] != "row"]
    assert [set(legend) for legend in legends] == [{"showLegend", "displayMode", "placement", "calcs"}] * len(legends)

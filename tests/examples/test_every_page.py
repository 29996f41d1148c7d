"""Every page of the manual, with the tests that run its blocks as they are printed.

Each of these tests names its blocks, in plain text (`@pytest.mark.runs(page, *blocks)`), and fails if it did not run them;
see `tests/conftest.py`. A block without a test has a reason here.
"""

import ast
import os
import re
import sys

import pytest
from pages import ROOT, blocks, pages, shell

#: Page: the files of tests that run its blocks.
TESTS = {
    "README.md": ["examples/test_readme.py"],
    "docs/batches.md": ["examples/test_paths_pages.py"],
    "docs/challenges.md": ["examples/test_paths_pages.py"],
    "docs/command-line.md": ["cli/test_command_line_page.py"],
    "docs/contributing.md": [],
    "docs/django.md": ["plugins/django/test_django_docs.py"],
    "docs/doctor.md": ["doctor/test_doctor_page.py"],
    "docs/evidence.md": ["evidence/test_evidence_page.py", "evidence/test_secrets_command.py"],
    "docs/flask.md": ["plugins/flask/test_flask_docs.py"],
    "docs/gateways.md": ["examples/test_paths_pages.py", "relay/test_relay_page.py"],
    "docs/glossary.md": [],
    "docs/hand-off.md": ["handoff/test_engines.py"],
    "docs/inbox.md": ["inbox/test_inbox_page.py"],
    "docs/index.md": [],
    "docs/inside.md": [],
    "docs/metrics.md": ["metrics/test_metrics_page.py"],
    "docs/once.md": ["examples/test_paths_pages.py"],
    "docs/operations.md": ["examples/test_operations_page.py"],
    "docs/own-provider.md": ["core/test_third_party_package.py"],
    "docs/page.md": ["page/test_page_docs.py"],
    "docs/performance.md": [],
    "docs/providers.md": [],
    "docs/relay.md": ["relay/test_relay_page.py"],
    "docs/reference.md": ["core/test_reference.py"],
    "docs/secrets.md": ["examples/test_paths_pages.py", "core/test_pinned_keys.py"],
    "docs/security.md": [],
    "docs/sender.md": ["sender/test_sender_page.py"],
    "docs/settings.md": ["cli/test_command_line_page.py"],
    "docs/signals.md": ["plugins/test_one_word.py"],
    "docs/signed-urls.md": ["examples/test_paths_pages.py"],
    "docs/starlette.md": ["plugins/starlette/test_starlette_docs.py"],
    "docs/stores.md": ["plugins/test_switching_stores.py", "cli/test_command_line_page.py", "stores/test_store_pages.py"],
    "docs/stores/django.md": ["plugins/django/test_django_docs.py"],
    "docs/stores/memory.md": [],
    "docs/stores/redis.md": ["stores/test_store_pages.py"],
    "docs/stores/sql.md": ["stores/test_sql_docs.py", "stores/test_alembic.py"],
    "docs/stores/sqlite.md": [],
    "docs/testing.md": ["examples/test_paths_pages.py"],
    "docs/troubleshooting.md": ["autopsy/test_troubleshooting_page.py"],
    "docs/transactional.md": ["stores/test_sql_docs.py", "plugins/django/test_django_docs.py"],
    "docs/without-framework.md": ["examples/test_framework_page.py"],
    "docs/worker.md": ["work/test_worker_page.py"],
}

INSTALLS = "installs packages from the network: CI makes its environments with these words"

#: Page and block: why no test runs it.
NOT_RUN = {
    ("README.md", "See it work"): INSTALLS + ", and runs the demo and the tests",
    ("README.md", "Use it"): INSTALLS,
    ("docs/command-line.md", "The command line"): INSTALLS,
    ("docs/command-line.md", "Receive it on your own machine"): "opens a tunnel on the network, with programs of others",
    ("docs/contributing.md", "Contributing"): INSTALLS + ", and runs the tests",
    ("docs/contributing.md", "Where to add something"): "writes docs/providers.md, which a test compares",
    ("docs/evidence.md", "Which secret may be removed 2"): "shows an output after months of deliveries",
    ("docs/hand-off.md", "Hand-off: another engine runs the handlers"): "draws the way of an event through another engine",
    ("docs/inbox.md", "Answer first"): "draws the way of an event in both modes",
    ("docs/inside.md", "Inside hookguard"): "draws a delivery's way",
    ("docs/metrics.md", "Metrics and traces"): INSTALLS,
    ("docs/metrics.md", "OpenTelemetry"): INSTALLS,
    ("docs/performance.md", "Run it yourself"): "measures for minutes, and a test must not depend on time",
    ("docs/relay.md", "Passing events on"): "draws the way of an event to its targets",
    ("docs/troubleshooting.md", "Troubleshooting"): "shows the lines of a log",
    ("docs/worker.md", "The worker 2"): "shows the lines of a log",
    ("docs/transactional.md", "Transactional mode"): "draws a transaction",
    ("docs/transactional.md", "Transactional mode 2"): INSTALLS,
    ("docs/transactional.md", "From an inbox 3"): "draws the transactions",
}


def test_every_page_is_in_the_table():
    assert sorted(TESTS) == pages()


def said_to_run(file, page):
    """The blocks of a page that the marks of a file of tests name."""
    for node in ast.walk(ast.parse((ROOT / "tests" / file).read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "runs":
            where, *names = map(ast.literal_eval, node.args)
            if where == page:
                yield from names


@pytest.mark.parametrize("page", TESTS)
def test_every_block_of_the_page_is_run_by_a_test(page):
    run = {name for file in TESTS[page] for name in said_to_run(file, page)}
    excused = {name for where, name in NOT_RUN if where == page}
    assert run | excused == set(blocks(page))
    assert not run & excused


def test_the_index_leads_to_every_page():
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    others = [page for page in pages() if page.startswith("docs/") and page != "docs/index.md"]
    assert [page for page in others if f"({page.removeprefix('docs/')}" not in index] == []


@pytest.mark.parametrize(("code", "passes"), [("BLOCK.run()", True), ("str(BLOCK)", False)])
def test_a_test_that_does_not_run_its_block_fails(code, passes, tmp_path):
    (tmp_path / "test_own.py").write_text(
        "import pytest\nfrom pages import blocks\n\nBLOCK = blocks('docs/batches.md')['A provider of your own']\n\n\n"
        f"@pytest.mark.runs('docs/batches.md', 'A provider of your own')\ndef test_it():\n    {code}\n"
    )
    command = f'"{sys.executable}" -m pytest -q -p no:cacheprovider -p conftest -c "{ROOT}/pyproject.toml" "{tmp_path}"'
    done = shell(command, tmp_path, PYTHONPATH=os.pathsep.join(map(str, (ROOT / "tests", ROOT / "tests" / "support", ROOT))))
    assert ("1 passed" if passes else "not run: [('docs/batches.md', 'A provider of your own')]") in done.stdout, done.stdout


@pytest.mark.parametrize("page", ["docs/contributing.md", "docs/inside.md"])
def test_every_file_that_the_page_names_exists(page):
    text = (ROOT / page).read_text("utf-8")
    named = re.findall(r"(?<![\w./])(?:hookguard\w*|tests|docs|\.ci)/[\w./]*", text)
    assert named
    assert [path for path in named if not (ROOT / path).exists() and "NAME" not in path] == []


def test_the_picture_shows_every_file_of_the_running_side():
    text = (ROOT / "docs" / "inside.md").read_text("utf-8")
    files = {path.name for path in (ROOT / "hookguard" / "guard").glob("*.py")} - {"__init__.py"}
    assert {name for name in files if name not in text} == set()

"""The page of the doctor lists every check as the code does, and its examples run as printed."""

import re

import pytest

pytest.importorskip("flask")
pytest.importorskip("click")

from flask import Flask
from pages import ROOT, blocks, shell

from hookguard import MemoryStore
from hookguard.doctor import CHECKS
from hookguard_flask import HookGuard

PAGE = blocks("docs/doctor.md")
TEXT = (ROOT / "docs" / "doctor.md").read_text("utf-8")

APP = """
from flask import Flask
from hookguard_flask import HookGuard

app = Flask(__name__)
app.config["HOOKGUARD_ENDPOINTS"] = {
    "github": {"secrets": ["a-secret-that-is-long-enough"]},
    "stripe": {"secrets": ["a-secret-that-is-long-enough"]},
}
app.config["HOOKGUARD_STORE"] = "sqlite:///claims.sqlite3"
hooks = HookGuard(app)

@app.post("/hooks/github")
@hooks.guard("github")
def github():
    return ""
"""


def test_the_table_of_the_page_is_the_list_in_the_code():
    rows = re.findall(r"^\| ([A-Z]\d) \| (\w+) \| (.+?) \| (.+?) \| (.+?) \|$", TEXT, re.MULTILINE)
    assert rows == [(check.id, check.level, check.about, check.symptom, check.fix) for check in CHECKS]


def test_every_id_of_the_text_is_a_check():
    prose = TEXT.partition("## Every check")[0] + TEXT.partition("Some ids have")[2]
    assert set(re.findall(r"\b[A-Z]\d\b", prose)) <= {check.id for check in CHECKS}


@pytest.mark.runs("docs/doctor.md", "The doctor", "The doctor 2", "The doctor 3")
def test_commands_print_what_the_page_shows(tmp_path):
    (tmp_path / "main.py").write_text(APP)
    done = shell(PAGE["The doctor"].printed(), tmp_path)
    assert done.stdout.replace(str(tmp_path), "/srv/shop") == PAGE["The doctor 2"].printed()
    assert done.returncode == 0
    assert shell(PAGE["The doctor 3"].printed(), tmp_path).returncode == 1


@pytest.mark.runs("docs/doctor.md", "Silence a check")
def test_checks_are_silenced_as_the_page_shows():
    app = Flask("shop")
    PAGE["Silence a check"].run({"app": app})
    app.config["HOOKGUARD_STORE"] = MemoryStore()
    HookGuard(app)
    assert app.extensions["hookguard"].settings.silenced.keys() == {"S4", "U3"}

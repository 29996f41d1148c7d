"""The page on providers of one's own: its files run, are as short as it says, and install as a package."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pages
import pytest

from hookguard import ConfigurationError, Delivery, Guard, MemoryStore, Verifier, presets
from hookguard.batch import Batch
from hookguard.config import Settings
from hookguard.errors import SignatureMismatch

PAGE = pages.ROOT / "docs" / "own-provider.md"
BLOCKS = pages.blocks("docs/own-provider.md")
FILES = {name: block for name, block in BLOCKS.items() if block.path}
SECRET = "a-secret-that-is-long-enough"
BODY = b'{"id": "evt_1"}'


@pytest.fixture
def importable(tmp_path, monkeypatch):
    for block in FILES.values():
        block.write(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("acme", "letterbox"):
        sys.modules.pop(name, None)


def test_the_page_has_the_files_it_speaks_of():
    assert set(FILES) == {"acme.py", "letterbox.py", "pyproject.toml"}
    assert len(FILES["acme.py"].strip().splitlines()) <= 11, "ten lines and the file's name"


@pytest.mark.runs("docs/own-provider.md", "acme.py", "letterbox.py")
@pytest.mark.parametrize("path", ["acme.ACME", "letterbox.LETTERBOX"])
def test_each_signs_and_verifies_and_rejects(importable, path):
    settings = {"endpoints": {"own": {"preset": path, "secrets": [SECRET]}}}
    endpoint = Settings(settings, where="HOOKS", default_store=MemoryStore).endpoint("own")
    guard = Guard(endpoint, MemoryStore())
    signed = endpoint.preset.sign(BODY, SECRET, type="letter")
    receipt = guard.open(signed)
    assert receipt.reply is None
    assert receipt.event.body == BODY
    guard.settle(receipt, status=200)
    assert guard.open(signed).reply.status == 200, "once"
    forged = Delivery(BODY + b" ", signed.headers)
    assert guard.open(forged).reply.status == 401
    assert guard.open(Delivery(BODY, {})).reply.status == 401
    with pytest.raises(SignatureMismatch):
        Verifier(endpoint.preset, "another-secret-of-some-length").verify(signed)
    for wrong in ("", "é", "x" * 9000, "t=1,sig=é", "\x00"):
        for header in signed.headers:
            assert guard.open(Delivery(BODY, {**dict(signed.headers.items()), header: wrong})).reply.status in (200, 400, 401)


@pytest.mark.runs("docs/own-provider.md", "How it delivers")
def test_facts_of_the_page_make_the_tolerance_and_limits_it_speaks_of():
    names = BLOCKS["How it delivers"].run()
    acme = names["ACME"]
    assert (acme.tolerance, acme.max_body) == (30 * 3600 + 300, 5 << 20)
    assert Batch("events", largest=names["PAGE"].says(5000)).limit == 5000


@pytest.mark.runs("docs/own-provider.md", "In a settings file")
def test_the_settings_of_the_page_are_settings(monkeypatch):
    monkeypatch.setenv("ACME_SECRET", SECRET)
    endpoints = BLOCKS["In a settings file"].run()["ENDPOINTS"]
    made = Settings({"endpoints": endpoints}, where="HOOKS", default_store=MemoryStore)
    preset = made.endpoint("acme").preset
    assert Verifier(preset, SECRET).verify(preset.sign(BODY, SECRET)).id == "evt_1"


def test_the_families_of_the_page_exist():
    from hookguard import schemes
    from hookguard.schemes import jws, jwt

    table = PAGE.read_text().partition("## Other families")[2].partition("## In a settings")[0]
    for name in re.findall(r"`(\w+Scheme)\(", table):
        assert hasattr(schemes, name), name
    for module, name in ((jwt, "BodyHash"), (jwt, "UrlItself"), (jws, "KeySet")):
        assert name in table
        assert hasattr(module, name)


@pytest.mark.runs("docs/own-provider.md", "acme.py", "letterbox.py", "pyproject.toml")
def test_a_package_brings_its_presets(tmp_path):
    pytest.importorskip("hatchling")
    source, target = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for block in FILES.values():
        block.write(source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--no-build-isolation", "--target", target, source], check=True)
    code = f"""
import sys
sys.path.insert(0, {str(target)!r})
from hookguard import ConfigurationError, Verifier, presets
assert "acme" not in sys.modules
assert {{"acme", "letterbox"}} <= set(presets.names())
assert "acme" not in sys.modules, "listing loads nothing"
for name in ("acme", "letterbox"):
    preset = presets.get(name)
    signed = preset.sign({BODY!r}, {SECRET!r})
    assert Verifier(name, {SECRET!r}).verify(signed).provider == name
    assert presets.get(name) is preset
print(repr(presets.get("acme").event_type))
"""
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout == "InHeader(name='Acme-Event')\n"
    assert "acme" not in _names()


def _names():
    from hookguard import presets

    with pytest.raises(ConfigurationError):
        presets.get("acme")
    return presets.names()


def test_the_page_names_every_plain_word_and_what_an_event_is_without_an_id(monkeypatch):
    section = PAGE.read_text("utf-8").partition("## In a settings file")[2].partition("\n## ")[0]
    for word in inspect.signature(presets.generic_hmac).parameters:
        assert f"`{word}`" in section, word
    monkeypatch.setenv("ACME_SECRET", SECRET)
    given = BLOCKS["In a settings file"].run()["ENDPOINTS"]
    plain = {word: text for word, text in given["acme"]["preset"].items() if word != "event_id"}
    assert presets.generic_hmac(**given["acme"]["preset"]).identity is None
    assert presets.generic_hmac(**plain).identity == "content"

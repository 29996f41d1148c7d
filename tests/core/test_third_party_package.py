"""The page on providers of one's own: its files run, are as short as it says, and install as a package."""

import inspect
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from hookguard import ConfigurationError, Delivery, Guard, MemoryStore, Verifier, presets
from hookguard.config import Settings
from hookguard.errors import SignatureMismatch

PAGE = Path(__file__).parents[2] / "docs" / "own-provider.md"
FILES = dict(re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL))
SECRET = "a-secret-that-is-long-enough"
BODY = b'{"id": "evt_1"}'


@pytest.fixture
def importable(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("acme", "letterbox"):
        sys.modules.pop(name, None)


def test_the_page_has_the_files_it_speaks_of():
    assert set(FILES) == {"acme.py", "letterbox.py", "pyproject.toml"}
    assert len(FILES["acme.py"].strip().splitlines()) <= 10


@pytest.mark.parametrize("path", ["acme.ACME", "letterbox.LETTERBOX"])
def test_each_signs_and_verifies_and_refuses(importable, path):
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


def test_the_settings_of_the_page_are_settings():
    text = PAGE.read_text().partition("## In a settings file")[2]
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1].replace('os.environ["ACME_SECRET"]', repr(SECRET))
    made = Settings({"endpoints": eval("{" + block + "}")}, where="HOOKS", default_store=MemoryStore)
    preset = made.endpoint("acme").preset
    assert Verifier(preset, SECRET).verify(preset.sign(BODY, SECRET)).id == "evt_1"


def test_the_families_of_the_page_exist():
    from hookguard import schemes
    from hookguard.schemes import jwt

    table = PAGE.read_text().partition("## Other families")[2].partition("## In a settings")[0]
    for name in re.findall(r"`(\w+Scheme)\(", table):
        assert hasattr(schemes, name), name
    for name in ("BodyHash", "UrlItself", "KeySet"):
        assert name in table
        assert hasattr(jwt, name)


def test_a_package_brings_its_presets(tmp_path):
    pytest.importorskip("hatchling")
    source, target = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for name, text in FILES.items():
        (source / name).write_text(text)
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
print(presets.get("acme").event_type)
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


def test_the_page_names_every_plain_word_and_what_an_event_is_without_an_id():
    section = PAGE.read_text("utf-8").partition("## In a settings file")[2].partition("\n## ")[0]
    for word in inspect.signature(presets.generic_hmac).parameters:
        assert f"`{word}`" in section, word
    block = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    given = eval(f"{{{block}}}", {"os": types.SimpleNamespace(environ={"ACME_SECRET": SECRET})})
    plain = {word: text for word, text in given["acme"]["preset"].items() if word != "event_id"}
    assert presets.generic_hmac(**given["acme"]["preset"]).identity is None
    assert presets.generic_hmac(**plain).identity == "content"

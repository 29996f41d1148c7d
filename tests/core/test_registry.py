import sys

import pytest

from hookguard import ConfigurationError, HmacScheme, Preset, SignatureHeader, presets
from hookguard.presets import registry

ACME = """
from hookguard import HmacScheme, Preset, SignatureHeader
ACME = Preset(name="acme-pay", scheme=HmacScheme(signature=SignatureHeader("X-Acme", "{hex}")), event_id=None, identity="content")
NOT_ONE = 7
"""


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(registry, "_presets", dict(registry._presets))


def own(name="acme", header="X-Acme"):
    return Preset(name=name, scheme=HmacScheme(signature=SignatureHeader(header, "{hex}")), event_id=None, identity="content")


@pytest.mark.usefixtures("known")
def test_registered_presets_are_found_by_name():
    preset = presets.register(own())
    assert presets.get("acme") is preset
    assert "acme" in presets.names()
    assert presets.register(preset) is preset
    with pytest.raises(ConfigurationError, match="already registered"):
        presets.register(own(header="X-Other"))


def test_every_preset_here_is_known_by_its_name():
    exported = [getattr(presets, name) for name in dir(presets) if isinstance(getattr(presets, name), Preset)]
    assert all(presets.get(preset.name) is preset for preset in exported)
    assert presets.names() == sorted(presets.names())


def test_an_unknown_name():
    with pytest.raises(ConfigurationError, match="did you mean 'github'"):
        presets.get("gihtub")
    with pytest.raises(ConfigurationError, match="`hookguard presets` lists them all"):
        presets.get("zzz")


@pytest.fixture
def installed(tmp_path, monkeypatch, known):
    """A third party's distribution on the path, as an installer would leave it."""
    (tmp_path / "acme_hooks.py").write_text(ACME)
    info = tmp_path / "acme_hooks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-hooks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[hookguard.presets]\nacme-pay = acme_hooks:ACME\nwrong-name = acme_hooks:ACME\nnot-one = acme_hooks:NOT_ONE\n"
        "gone = acme_hooks:GONE\nmissing = acme_hooks_of_old:ACME\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("acme_hooks", None)


@pytest.mark.usefixtures("installed")
def test_a_third_partys_preset_is_found_by_its_entry_point_and_loaded_when_asked_for():
    assert "acme-pay" in presets.names()
    assert "acme_hooks" not in sys.modules
    assert presets.get("acme-pay").name == "acme-pay"
    assert presets.get("acme-pay") is presets.get("acme-pay")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["wrong-name", "not-one"])
def test_an_entry_point_that_is_something_else(name):
    with pytest.raises(ConfigurationError, match="is not a Preset called"):
        presets.get(name)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "value", "raised"),
    [("gone", "acme_hooks:GONE", "AttributeError"), ("missing", "acme_hooks_of_old:ACME", "ModuleNotFoundError")],
)
def test_an_entry_point_that_cannot_be_loaded_is_named_with_its_package(name, value, raised):
    with pytest.raises(ConfigurationError, match=f"acme-hooks's entry point {name} = {value} raised {raised}") as caught:
        presets.get(name)
    assert caught.value.__cause__ is not None


@pytest.mark.usefixtures("installed")
def test_loadable_presets_are_listed_beside_broken_ones():
    found, broken = registry.loaded()
    assert {preset.name for preset in found} == {preset.name for preset in presets.BUILT_IN} | {"acme-pay"}
    assert set(broken) == {"wrong-name", "not-one", "gone", "missing"}

import json

import pytest

from hookguard import ConfigurationError, Networks


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("192.0.2.7", True),
        ("192.0.3.7", False),
        ("198.51.100.1", True),
        ("198.51.100.2", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("::ffff:192.0.2.7", True),
        ("::ffff:192.0.3.7", False),
        (None, False),
        ("", False),
        ("unix:", False),
        ("192.0.2.7, 10.0.0.1", False),
        ("192.0.2.7:443", False),
        ("192.0.2.07", False),
        (7, False),
        ("fe80::1%eth0", False),
    ],
)
def test_addresses_are_matched_with_networks(address, inside):
    assert (address in Networks(["192.0.2.0/24", "198.51.100.1", "2001:db8::/32"])) is inside


@pytest.mark.parametrize("given", [[], "192.0.2.0/24", ["192.0.2.1/24"], ["everyone"], [""], [None]])
def test_an_invalid_list_of_networks_is_rejected(given):
    with pytest.raises(ConfigurationError):
        Networks(given)


def test_a_published_list(tmp_path):
    text = tmp_path / "list.txt"
    text.write_text("# ours\n192.0.2.0/24  # first\n\n2001:db8::/32\n")
    assert len(Networks.from_file(text)) == 2
    plain = tmp_path / "list.json"
    plain.write_text(json.dumps(["192.0.2.0/24"]))
    assert "192.0.2.1" in Networks.from_file(plain)
    meta = tmp_path / "meta.json"
    meta.write_text(json.dumps({"hooks": ["192.0.2.0/24"], "web": ["198.51.100.0/24"]}))
    assert "192.0.2.1" in Networks.from_file(meta, field="hooks")
    assert repr(Networks.from_file(meta, field="web")) == "Networks(1 networks)"
    with pytest.raises(ConfigurationError, match=r"\['hooks', 'web'\]"):
        Networks.from_file(meta)
    with pytest.raises(ConfigurationError, match="hooks"):
        Networks.from_file(meta, field="git")


@pytest.mark.parametrize(
    "content", [b"", b"# nothing\n", b"{", b"[" * 100_000, b'{"hooks": 7}', b'{"hooks": [7]}', b"\xff\xfe", b"[1]"]
)
def test_an_invalid_list_in_a_file_is_rejected(tmp_path, content):
    path = tmp_path / "list"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError):
        Networks.from_file(path, field="hooks")
    with pytest.raises(ConfigurationError, match="cannot read"):
        Networks.from_file(tmp_path / "missing")

import pytest

from hookguard import Delivery, Verifier
from hookguard.errors import ConfigurationError, MalformedHeader, MalformedSignature, MalformedTimestamp, MissingTimestamp
from hookguard.schemes.layout import Layout

HEX = "ab" * 32
OTHER = "cd" * 32


@pytest.mark.parametrize(
    "template",
    ["", "v1", "{hexx}", "{hex}{base64}", "{hex},{hex}", "{timestamp}", "t={timestamp},v1=", "{hex}.", "{timestamp}.,{hex}", "{hex},{timestamp}", "{key}{hex}", "v1{key}={hex}",
     "t={timestamp}{hex}"],
)  # fmt: skip
def test_templates_that_make_no_sense(template):
    with pytest.raises(ConfigurationError, match="layout"):
        Layout(template)


def test_one_item_is_read_as_it_came():
    layout = Layout("sha256={hex}")
    assert layout.parse_header(f"sha256={HEX}") == ((f"sha256={HEX}",), None)
    # Not one of its kind: kept whole, so that the comparison rejects it.
    assert layout.parse_header("sha1=ab,sha256=cd") == (("sha1=ab,sha256=cd",), None)


@pytest.mark.parametrize(
    ("value", "signatures", "timestamp"),
    [
        (f"t=12,v1={HEX}", [f"v1={HEX}"], "12"),
        (f"v1={HEX},t=12", [f"v1={HEX}"], "12"),
        (f"t=12,v1={HEX},v1={OTHER}", [f"v1={HEX}", f"v1={OTHER}"], "12"),
        (f"t=12,v0=zz,v1={HEX},,x", [f"v1={HEX}"], "12"),
        (f"t=,v1={HEX}", [f"v1={HEX}"], ""),
    ],
)
def test_key_value_items(value, signatures, timestamp):
    found, stamp = Layout("t={timestamp},v1={hex}").parse_header(value)
    assert (list(found), stamp) == (signatures, timestamp)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (f"v1={HEX}", MissingTimestamp),
        (f"t=1,t=2,v1={HEX}", MalformedTimestamp),
        (f"t=12,v0={HEX}", MalformedSignature),
        ("", MalformedSignature),
        ("t=12", MalformedSignature),
        (f"t=12,v1={HEX}é", MalformedSignature),
        (f"t=12,v1={HEX}\r\n", MalformedHeader),
        ("t=12," + ",".join([f"v1={HEX}"] * 17), MalformedHeader),
    ],
)
def test_malformed_items_are_rejected(value, error):
    with pytest.raises(error):
        Layout("t={timestamp},v1={hex}").parse_header(value)


def test_sixteen_signatures_are_read():
    assert len(Layout("t={timestamp},v1={hex}").parse_header("t=12," + ",".join([f"v1={HEX}"] * 16))[0]) == 16


def test_sixty_four_items_are_read():
    layout = Layout("t={timestamp},v1={hex}")
    assert list(layout.parse_header("t=12" + ",v0=ab" * 62 + f",v1={HEX}")[0]) == [f"v1={HEX}"]
    with pytest.raises(MalformedHeader, match="more than 64 items"):
        layout.parse_header("t=12" + ",v0=ab" * 63 + f",v1={HEX}")


def test_a_control_character_in_a_list_of_one_is_rejected():
    with pytest.raises(MalformedHeader):
        Verifier("standard-webhooks", "whsec_" + "A" * 43 + "=").verify(
            Delivery(b"{}", {"webhook-id": "msg_1", "webhook-timestamp": "1700000000", "webhook-signature": "v1,abc=\x00"})
        )


def test_a_list_of_items_without_a_timestamp():
    layout = Layout("v1,{base64}", separator=" ")
    assert list(layout.parse_header("v1,abc= v1a,zzz v1,def=")[0]) == ["v1,abc=", "v1,def="]
    assert layout.write_header(["v1,abc=", "v1,def="]) == "v1,abc= v1,def="
    with pytest.raises(MalformedSignature):
        layout.parse_header("v1a,zzz")


@pytest.mark.parametrize("template", ["t={timestamp},v1={hex}", "ts={timestamp};h1={hex}", "v1={base64url},t={timestamp}"])
def test_a_written_header_is_read_back(template):
    layout = Layout(template)
    items = [layout.prefix + "abcd", layout.prefix + "efgh"]
    assert list(layout.parse_header(layout.write_header(items, "12"))[0]) == items
    assert layout.parse_header(layout.write_header(items, "12"))[1] == "12"
    assert layout.write_header(items[:1], "12") == template.format(timestamp="12", hex="abcd", base64url="abcd")


@pytest.mark.parametrize(
    ("encoding", "item", "plausible"),
    [
        ("hex", "ab" * 32, True),
        ("hex", "AB" * 32, False),
        ("hex", "ab" * 31, False),
        ("HEX", "AB" * 32, True),
        ("hex", "z" * 64, False),
    ],
)
def test_only_items_of_the_layouts_shape_and_size_are_plausible(encoding, item, plausible):
    assert Layout(f"v={{{encoding}}}").plausible("v=" + item, 32) is plausible
    assert not Layout(f"v={{{encoding}}}").plausible(item, 32)


def test_repr_shows_the_template():
    assert repr(Layout("{hex}")) == "Layout('{hex}')"

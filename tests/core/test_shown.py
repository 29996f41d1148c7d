import pytest

from hookguard import Delivery, Endpoint, Guard, MemoryStore, Rejected, Verifier
from hookguard.errors import ConfigurationError
from hookguard.privacy.shown import printable, shown_url

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", ""),
        ("/hooks", "/hooks"),
        ("/hooks?code=s3cret", "/hooks?code=…"),
        ("/hooks?a=1&code=s3cret&b=2", "/hooks?a=…&code=…&b=…"),
        ("/hooks?s3cret", "/hooks?…"),
        ("/hooks?a=1#s3cret", "/hooks?a=…"),
        ("https://shop.example/hooks", "https://shop.example/hooks"),
        ("https://user:s3cret@shop.example/hooks", "https://…@shop.example/hooks"),
        ("https://user:s3cret@b@shop.example/hooks", "https://…@shop.example/hooks"),
        ("HTTPS://s3cret@shop.example?x", "HTTPS://…@shop.example?…"),
        ("//user:s3cret@shop.example", "//…@shop.example"),
        ("/hooks/a@b", "/hooks/a@b"),
        ("/hooks\x1b[2K\n", "/hooks\\x1b[2K\\n"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url, shown):
    assert shown_url(url) == shown


def test_text_that_does_not_print_is_escaped():
    assert printable("a\r\n\x1b\x7f\u2028\u202e\ud800\x00") == r"a\r\n\x1b\x7f\u2028\u202e\ud800\x00"
    assert printable("Größe 1") == "Größe 1"


def test_a_reason_is_printable_whatever_the_sender_wrote():
    assert str(Rejected("the value \x1b[2K\n is odd")) == r"the value \x1b[2K\n is odd"


def test_repr_of_a_delivery_hides_the_query_and_the_password():
    delivery = Delivery(b"", {}, "PO\nST", "https://u:s3cret@shop.example/grid?code=s3cret")
    assert repr(delivery) == r"Delivery(PO\nST 'https://…@shop.example/grid?code=…', 0 bytes, Headers())"


def test_the_password_of_a_public_url_is_in_no_configuration_error():
    with pytest.raises(ConfigurationError) as raised:
        Endpoint(Verifier("twilio", SECRET), public_url="ftp://hooks:s3cret@shop.example/hooks")
    assert "s3cret" not in str(raised.value)


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("twilio", {"X-Twilio-Signature": "A" * 27 + "=", **FORM}),
        ("mandrill", {"X-Mandrill-Signature": "A" * 27 + "=", **FORM}),
        ("plivo", {"X-Plivo-Signature-V3": "A" * 43 + "=", "X-Plivo-Signature-V3-Nonce": "1", **FORM}),
        ("square", {"x-square-hmacsha256-signature": "A" * 43 + "="}),
        ("trello", {"x-trello-webhook": "A" * 27 + "="}),
        ("hubspot", {"x-hubspot-signature-v3": "A" * 43 + "=", "x-hubspot-request-timestamp": "1764000000000"}),
        ("contentful", {"x-contentful-signature": "a" * 64, "x-contentful-timestamp": "1764000000000",
                        "x-contentful-signed-headers": "x-contentful-signed-headers,x-contentful-timestamp"}),
    ],
)  # fmt: skip
def test_the_password_of_a_public_url_is_in_no_log_line(name, headers, caplog):
    seen = []
    url = "https://hooks:s3cret@shop.example/hooks?key=s3cret"
    endpoint = Endpoint(Verifier(name, SECRET), public_url=url, observers=[seen.append])
    receipt = Guard(endpoint, MemoryStore()).open(Delivery(b"a=1", headers, url=endpoint.url("/hooks?key=s3cret")))
    assert receipt.reply.status == 401
    assert "s3cret" not in f"{caplog.text} {seen} {receipt.error!r}"


def test_the_senders_address_writes_no_line_of_the_log(caplog):
    endpoint = Endpoint(Verifier("stripe", SECRET), allow_from=["192.0.2.0/24"])
    Guard(endpoint, MemoryStore()).open(Delivery(b"", {"Stripe-Signature": "a"}, remote="\x1b[2K\nINFO stripe handled"))
    assert [record.getMessage().isprintable() for record in caplog.records] == [True]

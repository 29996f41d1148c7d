"""``Preset.sign`` makes the delivery that the provider would send, Content-Type included."""

import pytest

from hookguard import Delivery, Verifier, presets

SECRET = "a-secret-that-is-long-enough"
URL = "https://shop.example/hooks"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("name", "body", "content_type"),
    [
        ("twilio", b"MessageSid=SM1&Body=hi", FORM),
        ("twilio", b'{"a": 1}', "application/json"),
        ("twilio", b"", "application/json"),
        ("slack", b"command=%2Fweather&trigger_id=1", FORM),
        ("github", b"payload=%7B%7D", FORM),
        ("stripe", b'{"id": "evt_1"}', "application/json"),
        ("stripe", b"a=b", "application/json"),  # Stripe sends JSON alone: the mistake stays visible
    ],
)
def test_a_signed_delivery_has_the_content_type_its_provider_sends(name, body, content_type):
    delivery = presets.get(name).sign(body, SECRET, url=URL)
    assert [value for header, value in delivery.headers.items() if header.lower() == "content-type"] == [content_type]
    assert Verifier(name, SECRET).verify(delivery).body == body


@pytest.mark.parametrize("header", ["Content-Type", "content-type", "CONTENT-TYPE"])
def test_a_content_type_of_the_callers_own_is_kept(header):
    delivery = presets.STRIPE.sign(b"{}", SECRET, headers={header: "application/vnd.acme+json"})
    assert delivery.headers.all("content-type") == ("application/vnd.acme+json",)


@pytest.mark.parametrize("header", ["Content-Type", "content-type"])
@pytest.mark.parametrize("listed", [lambda headers: dict(headers.items()), dict], ids=["items", "mapping"])
def test_a_content_type_beside_the_signed_headers_replaces_theirs(header, listed):
    delivery = presets.STRIPE.sign(b"{}", SECRET)
    merged = {**listed(delivery.headers), header: "application/vnd.acme+json"}
    assert Delivery(b"{}", merged).headers.all("content-type") == ("application/vnd.acme+json",)
    assert (delivery.headers | {header: "application/vnd.acme+json"}).all("content-type") == ("application/vnd.acme+json",)
    assert ({header: "text/plain", "X-Mine": "1"} | delivery.headers).items()[0] == ("x-mine", "1")
    assert Verifier("stripe", SECRET).verify(Delivery(b"{}", merged)).headers["content-type"] == "application/vnd.acme+json"


def test_a_content_type_as_people_write_it_is_sent_once():
    delivery = presets.STRIPE.sign(b"{}", SECRET)
    merged = {**dict(delivery.headers.items()), "Content-Type": "application/vnd.acme+json"}
    assert [name.lower() for name in merged].count("content-type") == 1


def test_a_handler_sees_every_name_of_a_signed_delivery_in_lower_case():
    delivery = presets.STRIPE.sign(b"{}", SECRET)
    event = Verifier("stripe", SECRET).verify(delivery)
    assert sorted(event.headers) == ["content-type", "stripe-signature"]
    assert event.headers == delivery.headers


def test_two_content_types_of_a_sender_stay_two():
    pairs = [("Content-Type", "application/json"), ("content-type", "text/plain")]
    assert Delivery(b"", pairs).headers.all("content-type") == ("application/json", "text/plain")


@pytest.mark.parametrize("name", ["forgejo", "gitea", "github", "gogs", "mandrill", "plivo", "slack", "twilio"])
def test_every_form_that_is_signed_is_verified(name):
    delivery = presets.get(name).sign(b"a=1&payload=%7B%22id%22%3A%221%22%7D", SECRET, url=URL, id="1", type="t")
    assert Verifier(name, SECRET).verify(delivery).form["a"] == "1"

import json

import pytest
from scheme_keys import draft, keys

from hookguard import Delivery
from hookguard.errors import ConfigurationError, MalformedBody, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.presets.adyen import AdyenScheme

SCHEME = AdyenScheme()
HEX = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
ITEM = {
    "pspReference": "7914073381342284",
    "merchantAccountCode": "TestMerchant",
    "merchantReference": "a:b",
    "amount": {"value": 1130, "currency": "EUR"},
    "eventCode": "AUTHORISATION",
    "success": "true",
}
KEYS = keys(SCHEME, HEX)


def body_of(*items):
    return json.dumps({"live": "false", "notificationItems": [{"NotificationRequestItem": item} for item in items]}).encode()


def signed(*items):
    return json.loads(SCHEME.sign(draft(body_of(*items)), KEYS).body)


def verify(document):
    return SCHEME.verify(Delivery(json.dumps(document).encode(), {}), KEYS)


def test_every_item_is_signed_and_checked():
    document = signed(ITEM, {**ITEM, "pspReference": "8815000000000000"})
    assert verify(document) == ("#1", None)
    document["notificationItems"][1]["NotificationRequestItem"]["success"] = "false"
    with pytest.raises(SignatureMismatch):
        verify(document)


@pytest.mark.parametrize("field", ["pspReference", "merchantAccountCode", "merchantReference", "eventCode", "success"])
def test_a_changed_field_is_rejected(field):
    document = signed(ITEM)
    document["notificationItems"][0]["NotificationRequestItem"][field] += "x"
    with pytest.raises(SignatureMismatch):
        verify(document)


@pytest.mark.parametrize("amount", [{"value": 1131, "currency": "EUR"}, {"value": 1130, "currency": "USD"}, {}, None])
def test_a_changed_amount_is_rejected(amount):
    document = signed(ITEM)
    document["notificationItems"][0]["NotificationRequestItem"]["amount"] = amount
    with pytest.raises(SignatureMismatch):
        verify(document)


def test_a_field_moved_over_the_border_to_its_neighbour():
    # The same eight texts joined by colons; by its reference it would be another event.
    document = signed(ITEM)
    item = document["notificationItems"][0]["NotificationRequestItem"]
    item |= {"pspReference": "7914073381342284:", "originalReference": "TestMerchant", "merchantAccountCode": "a"}
    item["merchantReference"] = "b"
    with pytest.raises(MalformedSignature, match="colon"):
        verify(document)


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({}, MissingSignature),
        ([], MissingSignature),
        ({"notificationItems": []}, MissingSignature),
        ({"notificationItems": [{}]}, MalformedBody),
        ({"notificationItems": [{"NotificationRequestItem": ITEM}]}, MissingSignature),
        ({"notificationItems": [{"NotificationRequestItem": {**ITEM, "additionalData": []}}]}, MissingSignature),
        (
            {"notificationItems": [{"NotificationRequestItem": {**ITEM, "additionalData": {"hmacSignature": 1}}}]},
            MalformedSignature,
        ),
        (
            {"notificationItems": [{"NotificationRequestItem": {**ITEM, "additionalData": {"hmacSignature": "é"}}}]},
            MalformedSignature,
        ),
        (
            {
                "notificationItems": [
                    {"NotificationRequestItem": {**ITEM, "success": True, "additionalData": {"hmacSignature": "x"}}}
                ]
            },
            MalformedSignature,
        ),
    ],
)
def test_an_unsigned_notification_is_rejected(document, error):
    with pytest.raises(error):
        verify(document)


def test_another_key_and_two_keys():
    document = signed(ITEM)
    other = "74F490DD33F7327BAECC88B2947C011FC02D014A473AAA33A8EC93E4DC069174"
    delivery = Delivery(json.dumps(document).encode(), {})
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(delivery, keys(SCHEME, other))
    assert SCHEME.verify(delivery, keys(SCHEME, other, HEX)) == ("#2", None)
    with pytest.raises(ConfigurationError):
        SCHEME.sign(draft(body_of(ITEM)), keys(SCHEME, other, HEX))
    with pytest.raises(ConfigurationError):
        SCHEME.sign(draft(b"{}"), KEYS)

import pytest
from scheme_keys import NOW, draft, keys

from hookguard import Delivery, Verifier, presets
from hookguard.errors import ConfigurationError, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.presets.mercado_pago import MercadoPagoScheme

SCHEME = MercadoPagoScheme()
KEYS = keys(SCHEME, "your_secret_key_here")
URL = "https://shop.example/hook?data.id=ORD01&type=order"


def signed(url=URL, request="req-1"):
    return SCHEME.sign(draft(b"{}", url=url, draft_id=request), KEYS)


def replaced(delivery, *, url=None, **headers):
    kept = {**dict(delivery.headers.items()), **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Delivery(delivery.body, {name: value for name, value in kept.items() if value}, "POST", url or delivery.url)


def test_sign_and_verify():
    assert SCHEME.verify(signed(), KEYS) == ("#1", NOW)


def test_the_id_may_be_signed_in_lower_case():
    delivery = replaced(signed(URL.replace("ORD01", "ord01")), url=URL)
    assert SCHEME.verify(delivery, KEYS) == ("#1", NOW)


def test_seconds_are_read_too():
    prepared = KEYS[0].prepared
    header = f"ts=1704908010,v1={prepared.digest(b'id:ORD01;request-id:req-1;ts:1704908010;').hex()}"
    assert SCHEME.verify(replaced(signed(), x_signature=header), KEYS) == ("#1", 1704908010)


@pytest.mark.parametrize(
    "delivery",
    [
        replaced(signed(), url=URL.replace("ORD01", "ORD02")),
        replaced(signed(), url="https://shop.example/hook?type=order"),
        replaced(signed(), x_request_id="req-2"),
        replaced(signed(), x_request_id=""),
        replaced(signed(), x_signature=signed().headers["x-signature"].replace("ts=1700", "ts=1701")),
    ],
)
def test_each_signed_part_counts(delivery):
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(delivery, KEYS)


def test_the_signed_text_cannot_be_cut_at_another_border():
    # id:ORD01;request-id:req-1 with the border moved.
    for url, request in ((URL.replace("ORD01", "ORD01;request-id:req-1"), ""), (URL, "req-1;ts:1")):
        with pytest.raises(MalformedSignature, match="semicolon"):
            SCHEME.verify(replaced(signed(), url=url, x_request_id=request), KEYS)
    with pytest.raises(MalformedSignature):
        SCHEME.verify(replaced(signed(), url=URL + "&data.id=ORD02"), KEYS)


def test_a_missing_header_and_an_unsignable_url():
    with pytest.raises(MissingSignature):
        SCHEME.verify(Delivery(b"{}", {}), KEYS)
    with pytest.raises(ConfigurationError):
        signed(URL + "&data.id=ORD02")


def test_the_request_id_is_the_identity():
    delivery = signed(request="")
    delivery = replaced(delivery, x_request_id="")
    verifier = Verifier(presets.MERCADO_PAGO, "your_secret_key_here", clock=lambda: NOW)
    assert verifier.verify(delivery).lacks_id
    assert verifier.verify(signed()).id == "req-1"

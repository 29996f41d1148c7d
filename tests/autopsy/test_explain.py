"""The causes, one by one, and what an autopsy must never do."""

import json
from dataclasses import replace

import pytest

from hookguard import Delivery, Secret, SignatureHeader, Verifier, presets
from hookguard.autopsy import CAUSES, COMMAND_LINE, LIVE, Known, explain
from hookguard.errors import Rejected
from hookguard.gateway import GatewayVerifier
from hookguard.headers import Headers
from hookguard.presets.built_in import CONSTANTS, load
from hookguard.presets.generic import generic_hmac
from hookguard.presets.registry import is_built_in, with_signature_header
from hookguard.presets.signature_headers import SIGNATURE_HEADERS

NOW = 1_790_000_000.0
SECRET = "whsec_GpbHODqYsK2jn1fwRv2119uNETI485Tg"
OTHER = "whsec_T3N9TqR90Mwf9PQxLPlbZnVyrfOcEYbI"
BODY = json.dumps({"id": "evt_1", "type": "invoice.paid", "note": "naïve / <b>"}, ensure_ascii=False).encode()
#: The live bounds, but for the time: this machine may be busy.
BOUNDS = replace(LIVE, seconds=30.0)


def signed(preset="stripe", secret=SECRET, body=BODY, **more):
    return presets.get(preset).sign(body, secret, timestamp=NOW, **more)


def verifier(*secrets, preset="stripe", now=NOW):
    return Verifier(preset, list(secrets) or [SECRET], clock=lambda: now)


def causes(asked, delivery, bounds=BOUNDS, **known):
    return [
        f"{each.code}{'?' if each.kind == 'suspected' else ''}" for each in autopsy(asked, delivery, bounds, **known).findings
    ]


def autopsy(asked, delivery, bounds=BOUNDS, **known):
    return explain(asked, delivery, known=Known(**{"now": NOW, **known}), bounds=bounds)


def test_genuine_delivery_has_no_finding():
    assert causes(verifier(), signed()) == []


def test_forgery_matches_nothing():
    found = autopsy(verifier(), signed(secret=OTHER))
    assert [(each.code, each.kind) for each in found.findings] == [("no_match", "fact")]
    assert found.finished
    assert f"{found.calls} hypotheses" in str(found.findings[0])


def test_changed_amount_matches_nothing():
    delivery = signed()
    assert causes(verifier(), delivery._replace(body=delivery.body.replace(b"evt_1", b"evt_2"))) == ["no_match"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (SECRET.encode() + b"\n", "secret_padded"),
        (b'"' + SECRET.encode() + b'"', "secret_wrapped"),
        (f"STRIPE_SECRET={SECRET}".encode(), "secret_wrapped"),
        (SECRET.removeprefix("whsec_").encode(), "secret_prefix_missing"),
        (b"live_" + SECRET.encode(), "secret_prefix_added"),
        (SECRET.encode().hex().encode(), "secret_encoded_again"),
        (SECRET.swapcase().encode(), None),
        (SECRET.encode() * 2, "secret_doubled"),
        (SECRET.replace("_", "%5F").encode(), "secret_escaped"),
    ],
)
def test_misread_secret_is_named(wrong, code):
    assert causes(verifier(Secret.exact(wrong)), signed()) == [code or "no_match"]


def test_secret_in_capitals_is_named():
    assert causes(verifier(Secret.exact(b"ABCDEF0123456789ABCD")), signed(secret="abcdef0123456789abcd")) == ["secret_case"]


def test_cut_secret_is_guessed_on_the_command_line_only():
    asked = verifier(SECRET[:-1])
    assert causes(asked, signed()) == ["no_match"]
    assert causes(asked, signed(), bounds=replace(COMMAND_LINE, seconds=30.0)) == ["secret_cut"]


def test_retired_secret_is_named_with_its_date():
    old = Secret(SECRET, name="2026-05", not_after=NOW - 60)
    found = autopsy(verifier(Secret(OTHER, name="new"), old), signed()).findings
    assert found[0].code == "secret_retired"
    assert "2026-05" in found[0].detail
    assert "2026-09-21" in found[0].detail


def test_secret_of_the_future_is_named():
    later = Secret(SECRET, name="next", not_before=NOW + 60)
    assert causes(verifier(Secret(OTHER, name="now"), later), signed()) == ["secret_not_yet"]


def test_endpoint_whose_secrets_are_all_retired_is_explained():
    assert causes(verifier(Secret(SECRET, not_after=NOW - 60)), signed()) == ["secret_retired"]


def test_other_endpoint_is_named():
    known = {"name": "billing", "endpoints": [("billing-test", verifier(SECRET))]}
    found = autopsy(verifier(OTHER), signed(), **known).findings
    assert [each.code for each in found] == ["other_endpoint"]
    assert "'billing-test'" in found[0].detail


@pytest.mark.parametrize("preset", ["stripe", "github"])
def test_endpoint_of_the_same_name_in_another_application_is_named(preset):
    secret = "a secret of the other one"
    endpoints = [("billing", verifier(OTHER)), ("billing", verifier(secret, preset=preset)), ("billing", verifier(OTHER))]
    found = autopsy(verifier(), signed(preset, secret), name="billing", endpoints=endpoints).findings
    assert [each.code for each in found] == ["other_endpoint"]
    assert found[0].detail == "endpoint 'billing' of another application, secret #1"


def test_endpoint_of_another_preset_is_named():
    github = verifier("a secret of github, 1", preset="github")
    delivery = signed("github", "a secret of github, 1")
    assert causes(verifier(), delivery, name="billing", endpoints=[("code", github)]) == ["other_endpoint"]


def test_other_preset_is_named():
    delivery = signed("svix", OTHER, id="msg_1")
    found = autopsy(verifier(OTHER, preset="standard-webhooks"), delivery).findings
    assert found[0].code == "other_preset"
    assert "svix" in found[0].detail


def test_other_provider_is_named():
    found = autopsy(verifier(), signed("github", "a secret of github, 1")).findings
    assert [(each.code, each.kind) for each in found] == [("other_provider", "fact")]
    assert "github" in found[0].detail


def test_gateway_that_was_bypassed_is_named():
    behind = GatewayVerifier("stripe", [SECRET], gateway=verifier("of the gateway, 1234", preset="hookdeck"), clock=lambda: NOW)
    assert causes(behind, signed()) == ["gateway_bypassed"]


def test_own_endpoint_is_not_named_as_another_one():
    hop = verifier("of the gateway, 1234", preset="hookdeck")
    behind = GatewayVerifier("stripe", [SECRET], gateway=hop, clock=lambda: NOW)
    # The gateway signs with the provider's secret. Of this endpoint too it is a secret, and no other endpoint has it.
    delivery = presets.HOOKDECK.sign(BODY, SECRET, headers=dict(signed().headers.items()))
    for endpoints in ([("billing", behind)], [("billing", behind), ("shop", verifier(OTHER))]):
        found = explain(behind, delivery, known=Known(name="billing", endpoints=endpoints))
        assert "other_endpoint" not in found.codes
    stranger = explain(behind, delivery, known=Known(name="billing", endpoints=[("billing", behind), ("shop", verifier())]))
    assert stranger.codes == ("other_endpoint",)
    assert "'shop'" in stranger.findings[0].detail


def test_gateways_own_secret_is_examined_first():
    hop = verifier("of the gateway, 1234", preset="hookdeck")
    behind = GatewayVerifier("stripe", [SECRET], gateway=hop, clock=lambda: NOW)
    delivery = presets.HOOKDECK.sign(BODY, "of the gateway, 1234", headers=dict(signed().headers.items()))
    assert causes(behind, delivery) == []
    assert causes(behind, delivery._replace(body=BODY + b"\n")) == ["body_whitespace_added"]


def test_late_delivery_comes_before_a_wrong_clock():
    assert causes(verifier(now=NOW + 3600), signed(), now=NOW + 3600) == ["delivered_late", "clock_wrong?"]


def test_fresh_neighbours_make_it_a_late_delivery():
    assert causes(verifier(), signed(), now=NOW + 3600, recent_skews=(1.0, 2.0, 1.5)) == ["delivered_late"]


def test_late_neighbours_make_it_the_clock():
    assert causes(verifier(), signed(), now=NOW + 320, recent_skews=(290.0, 280.0, 295.0)) == ["clock_wrong"]


def test_delivery_of_the_future_is_the_clock():
    assert causes(verifier(), signed(), now=NOW - 3600) == ["clock_wrong"]


def test_proved_cause_comes_before_the_clock():
    delivery = signed()
    broken = delivery._replace(body=delivery.body + b"\n")
    assert causes(verifier(), broken, now=NOW + 3600)[:2] == ["body_whitespace_added", "delivered_late"]


def test_two_causes_are_both_named():
    delivery = signed()
    body = json.dumps(json.loads(delivery.body), separators=(",", ":")).encode()
    value = delivery.headers["stripe-signature"]
    broken = delivery._replace(body=body, headers=Headers({"stripe-signature": f'"{value}"'}))
    assert set(causes(verifier(), broken)) == {"body_reserialized", "signature_spelling"}


def test_body_written_again_and_a_padded_secret_are_both_named():
    delivery = signed()
    body = json.dumps(json.loads(delivery.body), indent=2).encode()
    found = causes(verifier(Secret.exact(SECRET.encode() + b"\n")), delivery._replace(body=body))
    assert set(found) == {"body_reserialized", "secret_padded"}


def test_cut_body_is_suspected():
    delivery = signed(headers={"Content-Length": str(len(BODY))})
    found = autopsy(verifier(), delivery._replace(body=BODY[:30])).findings
    assert [(each.code, each.kind) for each in found] == [("body_truncated", "suspected")]


def test_placeholder_and_other_credentials_are_suspected():
    assert causes(verifier(Secret.exact(b"${STRIPE_WEBHOOK_SECRET}")), signed()) == ["secret_placeholder?"]
    assert causes(verifier("sk_live_abcdefgh12345678"), signed()) == ["secret_kind?"]


OWN = {"name": "acme", "header": "X-Acme-Signature", "event_id": "body:id"}


@pytest.mark.parametrize(
    ("right", "wrong", "codes"),
    [
        ({"digest": "sha512"}, {}, ["scheme_digest"]),
        ({"layout": "{base64}"}, {}, ["signature_spelling"]),
        ({"signed": "{timestamp}:{body}"}, {"signed": "{timestamp}.{body}"}, ["scheme_template"]),
        ({"signed": "{timestamp}.{body}", "timestamp_unit": "ms"}, {"signed": "{timestamp}.{body}"}, ["timestamp_unit"]),
        (
            {"signed": "{timestamp}:{body}", "digest": "sha512"},
            {"signed": "{timestamp}.{body}"},
            ["scheme_digest", "scheme_template"],
        ),
    ],
)
def test_mistakes_in_a_preset_of_ones_own_are_named(right, wrong, codes):
    stamped = {"timestamp_header": "X-Acme-Time"}
    meant = generic_hmac(**OWN, **right, **(stamped if "signed" in right else {}))
    written = generic_hmac(**OWN, **wrong, **(stamped if "signed" in wrong else {}))
    delivery = meant.sign(BODY, SECRET, timestamp=NOW)
    assert causes(Verifier(written, [SECRET], clock=lambda: NOW), delivery) == codes


def test_sentence_has_the_cause_and_the_next_step():
    delivery = signed()
    text = str(autopsy(verifier(), delivery._replace(body=BODY + b"\n")).findings[0])
    assert text.startswith("white space was added at an end of the body")
    assert "exactly as it came" in text


def test_search_that_reaches_a_bound_is_unfinished():
    for bounds in (replace(LIVE, calls=5), replace(LIVE, seconds=0.0), replace(LIVE, hashed=1000)):
        found = autopsy(verifier(), signed(secret=OTHER), bounds)
        assert found.codes == ("unfinished",)
        assert not found.finished
        assert found.calls <= bounds.calls


def test_unfinished_search_makes_a_fact_a_suspicion():
    delivery = signed()._replace(headers=Headers({}))
    assert causes(verifier(), delivery) == ["header_missing"]
    assert causes(verifier(), delivery, replace(LIVE, calls=1)) == ["header_missing?", "unfinished?"]


def test_bytes_and_operations_stay_within_the_bounds():
    forged = signed(secret=OTHER, body=json.dumps({"id": "x" * 30_000}).encode())
    found = autopsy(verifier(), forged, replace(LIVE, seconds=60.0))
    assert found.calls <= LIVE.calls


def test_body_over_the_bound_is_not_written_again():
    body = json.dumps({"id": "evt_1", "pad": "x" * 40_000}).encode()
    delivery = signed(body=body)
    compact = json.dumps(json.loads(body), separators=(",", ":")).encode()
    broken = delivery._replace(body=compact)
    assert causes(verifier(), broken) == ["unfinished?"]
    assert causes(verifier(), broken, replace(COMMAND_LINE, seconds=60.0)) == ["body_reserialized"]


def test_every_cause_has_a_sentence_and_a_next_step():
    for code, cause in CAUSES.items():
        assert code == code.lower()
        assert cause.sentence
        assert not cause.sentence.endswith(".")
        assert cause.todo
        assert not cause.todo.endswith(".")


def test_table_of_signature_headers_is_that_of_the_presets():
    found = {}
    for name, constant in CONSTANTS.items():
        for header in load(constant).scheme.signature_headers - {"authorization"}:
            found.setdefault(header, set()).add(name)
    # DocuSign numbers its headers up to 16; the first is enough.
    numbered = {header for header in found if header.startswith("x-docusign-signature-")} - {"x-docusign-signature-1"}
    assert {header: set(names) for header, names in SIGNATURE_HEADERS.items()} == {
        header: names for header, names in found.items() if header not in numbered
    }
    assert "stripe" in with_signature_header("stripe-signature")


def test_changed_preset_is_a_users_own():
    stripe = presets.STRIPE
    assert is_built_in(stripe)
    assert not is_built_in(replace(stripe, title="other"))
    header = SignatureHeader("Stripe-Signature", "t={timestamp},v1={hex}")
    assert header.layout.prefix == "v1="


def test_unknown_kind_of_verifier_matches_nothing():
    class Strange:
        preset = presets.STRIPE

    assert explain(Strange(), signed()).codes == ("no_match",)


def test_rejected_delivery_stays_rejected():
    delivery = signed(secret=OTHER)
    explain(verifier(), delivery)
    with pytest.raises(Rejected):
        verifier().verify(delivery)


def test_no_delivery_at_all_is_explained():
    assert causes(verifier(), Delivery(b"", {})) == ["header_missing"]


@pytest.mark.parametrize(
    ("added", "shown"),
    [
        ("&csrf_token=1", "field csrf_token"),
        ("&user[name]=zoe", "field user[name]"),
        ("&4242424242424242+Zoe", "field 2"),
        ("&Zoe", "field 2"),
        ("&zoe%40example.com=1", "field 2"),
        (f"&{'a' * 41}=1", "field 2"),
        ("&Zoe&csrf_token=1", "fields 2, csrf_token"),
    ],
)
def test_added_field_is_shown_by_its_name_only_if_that_can_be_no_data(added, shown):
    delivery = signed("github", body=b"payload=%7B%7D")
    (found,) = autopsy(verifier(preset="github"), delivery._replace(body=delivery.body + added.encode())).findings
    assert (found.code, found.detail) == ("body_form_field_added", shown)


@pytest.mark.parametrize(("key", "shown"), [("body", "in the field body"), ("zoe@example.com 4242424242424242", "inside")])
def test_key_of_a_document_is_shown_only_if_it_is_a_known_name(key, shown):
    delivery = signed("github")
    wrapped = json.dumps({key: delivery.body.decode()}).encode()
    (found,) = autopsy(verifier(preset="github"), delivery._replace(body=wrapped)).findings
    assert (found.code, found.detail) == ("body_wrapped", shown)

"""Deliveries with known causes from the folder that HOOKGUARD_AUTOPSY names."""

import base64
import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("jwt", reason="some presets need the extra jwt")

from hookguard import Delivery, Secret, Verifier
from hookguard.autopsy import COMMAND_LINE, LIVE, Known, explain
from hookguard.errors import ConfigurationError
from hookguard.gateway import GatewayVerifier
from hookguard.presets.generic import generic_hmac
from hookguard.schemes.jws import JwsKey
from hookguard.schemes.public_key import read_key, read_public_key

FOLDER = os.environ.get("HOOKGUARD_AUTOPSY")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="HOOKGUARD_AUTOPSY names no folder with cases.json")

FETCHED = {
    "google-pubsub": lambda pem: JwsKey(read_key(pem), "RS256"),
    "plaid": lambda pem: JwsKey(read_key(pem), "ES256"),
    "paypal": lambda pem: read_public_key(pem, "rsa-sha256"),
    "aws-sns": read_key,
}


def secret_of(data):
    dates = {name: data.get(name) for name in ("name", "not_before", "not_after")}
    if "fields" in data:
        return Secret.of(**data["fields"], **dates)
    if "bytes" in data:
        return Secret.exact(base64.b64decode(data["bytes"]), name=dates["name"])
    try:
        return Secret(data["text"], **dates)
    except ConfigurationError:
        # Quotation marks and placeholders are rejected as text. As bytes they may still get in.
        return Secret.exact(data["text"].encode(), name=dates["name"])


def verifier_of(data, now, own):
    preset = own if data["preset"] == "acme" else data["preset"]
    secrets = [secret_of(each) for each in data["secrets"]]
    if "gateway" in data:
        return GatewayVerifier(preset, secrets, gateway=verifier_of(data["gateway"], now, own), clock=lambda: now)
    return Verifier(preset, secrets, clock=lambda: now)


def examined(data, bounds):
    """The kind of a case, its causes, and the autopsy of it; None for one that this version accepts as genuine."""
    own = generic_hmac(
        name="acme",
        header="X-Acme-Signature",
        signed="{timestamp}.{body}",
        timestamp_header="X-Acme-Timestamp",
        event_id="body:id",
    )
    now = data["now"]
    verifier = verifier_of(data["verifier"], now, own)
    endpoints = [(name, verifier if each is None else verifier_of(each, now, own)) for name, each in data["endpoints"].items()]
    found = FETCHED[data["verifier"]["preset"]](data["found"]) if data["found"] else None
    delivery = Delivery(base64.b64decode(data["body"]), [tuple(pair) for pair in data["headers"]], data["method"], data["url"])
    known = Known(data["name"], endpoints, found, data["target"], tuple(data["recent_skews"]), now)
    return explain(verifier, delivery, known=known, bounds=bounds)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("bounds", "least"),
    [
        pytest.param(replace(LIVE, seconds=30.0), 0.96, id="live"),
        pytest.param(replace(COMMAND_LINE, seconds=60.0), 0.98, id="line"),
    ],
)
def test_given_cases_are_explained(bounds, least):
    rows, wrong, false = Counter(), [], []
    for data in json.loads(Path(FOLDER or "", "cases.json").read_text("utf-8")):
        autopsy = examined(data, bounds)
        true = {*data["accept"], *data["causes"]}
        first = autopsy.codes[0] if autopsy.codes else ""
        right = first in ({*true, "no_match"} if data["kind"] == "lost" else true)
        rows[data["kind"], right] += 1
        if not right:
            wrong.append((data["id"], autopsy.codes))
        if any(each.kind != "suspected" and each.code not in true | {"no_match"} for each in autopsy.findings):
            false.append((data["id"], autopsy.codes))
    assert false == []
    single = rows["single", True] / (rows["single", True] + rows["single", False])
    assert single >= least, wrong
    assert rows["lost", False] == 0, wrong

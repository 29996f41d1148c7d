"""The cost of reading JSON strictly, against ``json.loads``, which lets repeated keys, NaN and any depth pass.

    python benchmarks/read_json.py

Bodies like GitHub's and Stripe's at 2, 20 and 256 KB, then bodies of one kind: numbers, small objects, long text, JSON within
JSON. The middle row is the plain strict reader, which the tests compare verdicts with.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rounds import compare, show

from hookguard.bodies import read_json

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
import plain_json


def repository(number: int) -> dict:
    """An object with long addresses, dates and numbers, as in GitHub's bodies."""
    name = f"octo-org/octo-repo-{number}"
    addresses = ("html", "forks", "keys", "hooks", "events", "assignees", "branches", "tags", "statuses", "languages")
    return {
        "id": 17_273_051 + number,
        "node_id": f"MDEwOlJlcG9zaXRvcnkx{number:08}",
        "full_name": name,
        "private": number % 2 == 0,
        "owner": {"login": "octo-org", "id": 6_811_672, "type": "Organization", "site_admin": False, "gravatar_id": ""},
        "description": 'A repository, with "quotes".\r\nAnd a second line.' if number % 5 == 0 else None,
        **{f"{kind}_url": f"https://api.example.com/repos/{name}/{kind}{{/id}}" for kind in addresses},
        "created_at": "2014-02-28T02:42:51Z",
        "size": 156 + number,
        "topics": ["webhooks", "python"],
        "head_sha": f"{number * 7919:040x}",
    }


def charge(number: int) -> dict:
    """An object with short values, as in Stripe's bodies."""
    return {
        "id": f"ch_3MmlLrLkdIwHu7ix0snN0B{number:02}",
        "object": "charge",
        "amount": 1099 + number,
        "amount_refunded": 0,
        "balance_transaction": None,
        "billing_details": {"address": {"city": None, "country": "DE", "line1": None}, "email": None, "phone": None},
        "captured": True,
        "created": 1_679_090_539,
        "currency": "eur",
        "metadata": {},
        "outcome": {"network_status": "approved_by_network", "reason": None, "risk_score": 32, "type": "authorized"},
        "paid": True,
        "refunded": False,
        "livemode": False,
    }


def sized(make, size: int) -> bytes:
    """The JSON of as many objects as fit."""
    items: list = []
    while (text := write({"id": "evt_1", "type": "updated", "data": items})) and len(text) < size * 0.9:
        items.append(make(len(items)))
        items.extend(make(len(items)) for _ in range(len(items) // 8))
    return text


def write(document) -> bytes:
    """Without white space, as most providers write it."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def main() -> None:
    """Print the tables."""
    cases = {
        f"like {name}'s, {size} KB": sized(make, size * 1024)
        for size in (2, 20, 256)
        for name, make in (("GitHub", repository), ("Stripe", charge))
    }
    cases |= {
        "like GitHub's, 20 KB, indented": json.dumps(json.loads(cases["like GitHub's, 20 KB"]), indent=2).encode(),
        "a token's header": write({"alg": "RS256", "kid": "a" * 20, "typ": "JWT"}),
        "floats": write([[number / 7, -number / 3] for number in range(600)]),
        "integers": write(list(range(5000))),
        "small objects": write([{"a": number, "b": number} for number in range(1000)]),
        "long text": write({"text": ["Ein Satz, der länger ist. " * 8] * 100}),
        "JSON within JSON": write({"Type": "Notification", "Message": cases["like GitHub's, 20 KB"].decode()}),
    }
    for name, body in cases.items():
        assert read_json(body) == json.loads(body)
        candidates = {
            "json.loads (floor)": lambda b=body: json.loads(b),
            "the plain strict reader": lambda b=body: plain_json.read_json(b),
            "read_json": lambda b=body: read_json(b),
        }
        show(f"{name}: {len(body):,} bytes", compare(candidates))


if __name__ == "__main__":
    main()

"""Platforms' vectors that stay in the folder HOOKGUARD_VECTORS names, made into cases."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any


def plain(preset: str) -> Any:
    """A vector that needs no more than its own fields."""

    def case(vector: dict[str, Any]) -> dict[str, Any]:
        made = {"preset": preset, "id": vector["origin"], "secret": vector["secret"], "headers": vector["headers"]}
        made |= {name: vector[name] for name in ("body", "url", "method", "valid") if vector.get(name) is not None}
        if "body_b64" in vector:
            made["body_base64"] = vector["body_b64"]
        if "webhooks-validator.node" in vector["origin"]:
            made["now"] = 1698796800
        if "advanced_expired" in vector["origin"]:
            made["now"] = 2_000_000_000
        return made

    return case


def convoy(preset: str) -> Any:
    """A vector of Convoy's, whose digest and encoding are the sender's choice."""

    def case(vector: dict[str, Any]) -> dict[str, Any]:
        return plain(preset)(vector) | {"digest": vector["hash"].lower(), "encoding": vector["encoding"]}

    return case


def twilio(vector: dict[str, Any]) -> dict[str, Any]:
    """A vector of Twilio's, which adds and leaves out ports: we sign the URL as it is."""
    return plain("twilio")(vector) | (
        {"random": True} if "signed URL" in vector["origin"] or "without the port" in vector["origin"] else {}
    )


def sendgrid(vector: dict[str, Any]) -> dict[str, Any]:
    """A vector with a public key: nobody published the private one, so it cannot be signed again."""
    return plain("sendgrid")(vector) | {"signer": False}


def v1a(preset: str) -> Any:
    """A vector with a public key whose private one was published as well."""

    def case(vector: dict[str, Any]) -> dict[str, Any]:
        return plain(preset)(vector) | {"signer": vector["signing_key"]}

    return case


def aws_sns(vector: dict[str, Any]) -> dict[str, Any]:
    """A vector whose "secret" is the certificate that SNS served; the topic is read off the message."""
    message = json.loads(vector["body"])
    made = plain("aws-sns")(vector) | {
        "signer": False,
        "document": vector["secret"],
        "secret": {"topic_arn": message["TopicArn"]},
    }
    return made | {"now": datetime.fromisoformat(vector["timestamp"].replace("Z", "+00:00")).timestamp()}


def wecom(vector: dict[str, Any]) -> dict[str, Any]:
    """A handshake, with what it must be answered."""
    secret = {"token": vector["secret"], "aes_key": vector["encoding_aes_key"], "corp_id": vector["receive_id"]}
    answered = {"reply": {"body": vector["expected_response"]}} if vector["valid"] else {}
    return plain("wecom")(vector) | {"secret": secret} | answered


def dingtalk(vector: dict[str, Any]) -> dict[str, Any]:
    """An encrypted event, with what is in it."""
    secret = {"token": vector["secret"], "aes_key": vector["aes_key"], "owner_key": vector["receive_id"]}
    return plain("dingtalk")(vector) | {"secret": secret, "event": {"content": vector["decrypted"]}}


#: The collection's name of a provider, and what makes a case of its vectors.
CASES = {
    "github": plain("github"),
    "standard-webhooks": plain("standard-webhooks"),
    "openai": plain("openai"),
    "svix": plain("svix"),
    "resend": plain("resend"),
    "slack": plain("slack"),
    "bitbucket-cloud": plain("bitbucket"),
    "bitbucket-server": plain("bitbucket-server"),
    "gitea": plain("gitea"),
    "gogs": plain("gogs"),
    "pagerduty": plain("pagerduty"),
    "circleci": plain("circleci"),
    "zendesk": plain("zendesk"),
    "airtable": plain("airtable"),
    "notion": plain("notion"),
    "twilio": twilio,
    "hubspot-v1": plain("hubspot-v1"),
    "hubspot-v2": plain("hubspot-v2"),
    "hubspot-v3": plain("hubspot"),
    "contentful": plain("contentful"),
    "dropbox": plain("dropbox"),
    "aws-sns": aws_sns,
    "dingtalk-callback": dingtalk,
    "line": plain("line"),
    "wecom": wecom,
    "mailgun": plain("mailgun"),
    "sendgrid": sendgrid,
    "standard-webhooks-v1a": v1a("standard-webhooks-v1a"),
    "svix-v1a": v1a("svix-v1a"),
    "sanity": plain("sanity"),
    "meta": plain("meta"),
    "convoy-simple": convoy("convoy"),
    "convoy-advanced": convoy("convoy-advanced"),
}

#: Those that are not made into cases, and why.
LEFT: dict[str, str] = {
    "ed25519-primitive": "no delivery of any provider: checked as bare signatures in test_published_vectors.py"
}

#: Presets whose only vectors are long ones.
LONG = {"aws-sns", "bitbucket-server", "gitea", "mailgun", "pagerduty", "slack"}

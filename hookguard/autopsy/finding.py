"""The causes that an autopsy can name: a code that never changes its meaning, one sentence, and the next step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from hookguard.privacy.shown import printable

__all__ = ["CAUSES", "NO_MATCH", "UNFINISHED", "Autopsy", "Cause", "Finding", "Kind", "advice", "finding"]

#: How sure a finding is: verified with a changed delivery or key; read from the delivery alone; or only likely.
Kind = Literal["proved", "fact", "suspected"]

#: The longest detail, in characters.
MAX_DETAIL = 300

NO_MATCH: Final = "no_match"
UNFINISHED: Final = "unfinished"


class Finding(NamedTuple):
    """One cause. ``detail`` holds names, seconds and parts of URLs: never a secret, a signature or a piece of the body."""

    code: str  #: the cause, as in :data:`CAUSES`
    kind: Kind
    sentence: str  #: the cause, for people
    detail: str  #: the part that differs, or a name; may be empty
    todo: str  #: the next step, in one sentence

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        perhaps = "perhaps: " if self.kind == "suspected" else ""
        return f"{perhaps}{self.sentence}{detail}. {self.todo}"


class Autopsy(NamedTuple):
    """The result of a search. No finding means that the delivery is genuine."""

    findings: tuple[Finding, ...]
    finished: bool = True  #: False if a bound was reached before everything was tried
    calls: int = 0  #: how often a signature was checked
    seconds: float = 0.0  #: of processor time

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the findings, the likeliest first."""
        return tuple(each.code for each in self.findings)


class Cause(NamedTuple):
    """The words for a code."""

    sentence: str
    todo: str


_BYTES = "Pass the body to hookguard exactly as it came, before anything parses, decodes or logs it"
_COPY = "Copy the whole secret from the provider's page into the setting once more"
_URL = "Set public_url to the exact URL in the provider's dashboard"
_PROXY = "Let the proxy or relay pass this header on unchanged"

#: Every code, with its sentence and the next step.
CAUSES: Final[dict[str, Cause]] = {
    "body_reserialized": Cause("the JSON body was parsed and written again on the way", _BYTES),
    "body_whitespace_added": Cause("white space was added at an end of the body, as editors and shells do", _BYTES),
    "body_whitespace_removed": Cause("white space was cut off an end of the body", _BYTES),
    "body_line_endings": Cause("the line endings of the body were changed between CRLF and LF", _BYTES),
    "body_bom_added": Cause("a byte order mark stands before the body, as some editors save it", _BYTES),
    "body_charset": Cause("the body was decoded in one character encoding and written in another", _BYTES),
    "body_normalized": Cause("the Unicode text of the body was normalized", _BYTES),
    "body_compressed": Cause(
        "the body is compressed, and the signature is over the plain bytes", "Switch compression of requests off at the proxy"
    ),
    "body_base64": Cause(
        "the body is in base64, as serverless gateways pass it on",
        "Decode it if the gateway's own flag is set, before hookguard reads it",
    ),
    "body_escaped": Cause("the body was written as a string, with backslashes before its quotation marks", _BYTES),
    "body_repr": Cause("the body was printed as a Python object and not passed on as bytes", _BYTES),
    "body_html_escaped": Cause("a filter escaped the body for HTML", "Take the webhook's route out of the filter"),
    "body_chunked": Cause(
        "chunk sizes are still in the body", "Let the server or the proxy decode the transfer coding, or send Content-Length"
    ),
    "body_wrapped": Cause(
        "the signed delivery is a field of another JSON document, as gateways and queues wrap it",
        "Unwrap it first: pass its own body and headers to hookguard",
    ),
    "body_repeated": Cause("the body is there twice", "Check whether two readers append to one buffer"),
    "body_form_unwrapped": Cause("only the JSON of a form field came, and the whole form is signed", _BYTES),
    "body_form_rewritten": Cause("the form was decoded and written again on the way", _BYTES),
    "body_form_field_added": Cause(
        "the form has a field that was not signed", "Find the router or middleware that adds this field, and keep it out"
    ),
    "body_truncated": Cause("the body ends too early", "Check the limits on the size of requests, and whether it was read whole"),
    "body_empty": Cause(
        "the body is empty", "Check which middleware reads the request before hookguard, and let it leave the body alone"
    ),
    "secret_padded": Cause("the secret has white space or invisible characters in or around it", _COPY),
    "secret_wrapped": Cause("the secret has quotation marks, a name or JSON around it", _COPY),
    "secret_prefix_missing": Cause("the secret's prefix is missing", _COPY),
    "secret_prefix_added": Cause("the secret has a prefix that is not part of it", _COPY),
    "secret_encoding": Cause(
        "the secret is read as text, hex or base64, and it is another of these",
        "Give the secret as the provider shows it, as text; hookguard decodes it",
    ),
    "secret_encoded_again": Cause(
        "the secret was encoded once more in base64 or hex, as cluster manifests hold it", "Decode it once before it is used"
    ),
    "secret_case": Cause("the letters of the secret have another case", _COPY),
    "secret_doubled": Cause("the secret is there twice", _COPY),
    "secret_escaped": Cause("the secret is escaped, for example percent-encoded", _COPY),
    "secret_cut": Cause("one character is missing at an end of the secret", _COPY),
    "secret_retired": Cause(
        "a secret of this endpoint matches that is past its date",
        "Switch the provider to the current secret, or extend not_after until it is switched",
    ),
    "secret_not_yet": Cause(
        "a secret of this endpoint matches that is not valid yet",
        "Set not_before to the moment when the provider began to use it",
    ),
    "secret_swapped": Cause("two fields of the secret stand in each other's place", "Exchange the two fields"),
    "secret_kind": Cause(
        "the secret looks like another credential of the provider", "Copy the signing secret of the webhook, not this credential"
    ),
    "secret_placeholder": Cause(
        "the secret looks like a placeholder or a variable's name", "Set it to the value the provider's dashboard shows"
    ),
    "other_endpoint": Cause(
        "another endpoint's secret signs this",
        "Either the URL at the provider is that endpoint's, or this endpoint has the wrong secret",
    ),
    "other_preset": Cause(
        "this endpoint's secret matches, and the delivery is signed as another preset says", "Use that preset for this endpoint"
    ),
    "other_provider": Cause(
        "the delivery carries another provider's signature header and not this one's",
        "Check the URL at that provider, or use its preset here",
    ),
    "wrong_account": Cause(
        "the delivery is genuine, and for another account, topic or audience than the configured one",
        "Compare this field of the secret with the provider's page",
    ),
    "test_event": Cause("the provider's own test, signed with a stand-in for the secret", "Nothing is wrong: send a real event"),
    "provider_probe": Cause("the provider's test that wrong signatures are rejected", "Nothing is wrong: it was rejected"),
    "gateway_bypassed": Cause(
        "it came from the provider directly, although this endpoint is behind a gateway",
        "Set the URL at the provider to the gateway's",
    ),
    "header_missing": Cause(
        "the signature header is missing",
        "Check that signing is switched on at the provider, and that no proxy removes the header",
    ),
    "header_renamed": Cause("a signed header came under another name", _PROXY),
    "header_duplicated": Cause("the signature header came twice", "Find the proxy or relay that adds it a second time"),
    "older_signature": Cause(
        "only the provider's older signature came, with a weaker hash",
        "Update the sender, or let the proxy pass the newer header on",
    ),
    "signature_spelling": Cause("the signature is the right one, in another spelling", _PROXY),
    "signature_altered": Cause("the signature is the right one but for a few characters", _PROXY),
    "timestamp_missing": Cause("the header with the timestamp is missing", _PROXY),
    "timestamp_spelling": Cause("the timestamp was written in another way than it was signed", _PROXY),
    "id_replaced": Cause("the header with the id holds another id than was signed", _PROXY),
    "content_type": Cause("the Content-Type was lost or changed, so the body is not read as it was signed", _PROXY),
    "url_scheme": Cause("the provider signed the URL with the other scheme, http or https", _URL),
    "url_host": Cause("the provider signed a URL with another host", _URL),
    "url_port": Cause("the provider signed the URL with another port, or without one", _URL),
    "url_slash": Cause("the provider signed the URL with or without the slash at its end", _URL),
    "url_path": Cause("the provider signed a URL with another path", _URL),
    "url_query": Cause("the provider signed the URL with another query", _URL),
    "url_escapes": Cause("the provider signed the URL with other percent-encoding", _URL),
    "url_credentials": Cause("the provider signed the URL without its user and password", _URL),
    "url_fragment": Cause("the provider signed the URL without its fragment", _URL),
    "method_changed": Cause(
        "another HTTP method is signed, as when a redirect turns POST into GET",
        "Give the provider the final URL, so that nothing is redirected",
    ),
    "clock_wrong": Cause("the time of signing does not fit this machine's clock", "Check the clock: run NTP or chrony"),
    "delivered_late": Cause(
        "it was signed long ago: a late retry, a queue, or a replay",
        "Check what held it; a provider that does not sign its retries again needs a larger tolerance",
    ),
    "timestamp_unit": Cause("the preset reads the timestamp in the wrong unit", "Change this argument of your preset"),
    "scheme_digest": Cause("the preset names the wrong hash", "Change this argument of your preset"),
    "scheme_encoding": Cause("the preset names the wrong encoding of the signature", "Change this argument of your preset"),
    "scheme_template": Cause("the preset names the wrong signed text", "Change this argument of your preset"),
    "key_unknown": Cause(
        "it is signed with a key that is neither configured nor published", "Add the provider's current key, or check the sender"
    ),
    "key_untrusted": Cause(
        "it names a key at an address that is not the provider's", "Do nothing if you know no such sender: it looks forged"
    ),
    NO_MATCH: Cause(
        "nothing nearby matches",
        "It is forged, or signed with a secret that is configured nowhere here, or what was signed is lost",
    ),
    UNFINISHED: Cause("the search reached its bounds", "Run hookguard explain on the saved delivery, which searches longer"),
}


def advice(codes: Iterable[str]) -> str:
    """Return a line for each code: what it means and the next step. A code of a later release is left out.

    For records of deliveries: they keep the codes only.
    """
    return "\n".join(f"{code}: {CAUSES[code].sentence}. {CAUSES[code].todo}" for code in dict.fromkeys(codes) if code in CAUSES)


def finding(code: str, kind: Kind, detail: str = "") -> Finding:
    """Return a finding with the words of its code. Unprintable characters of the detail are escaped."""
    cause = CAUSES[code]
    shown = printable(detail)
    return Finding(code, kind, cause.sentence, shown if len(shown) <= MAX_DETAIL else f"{shown[:MAX_DETAIL]}…", cause.todo)

"""The order of the search. Each stage ends it when it proves something.

0. The facts: genuine, stale, an unknown key, around the gateway.
1. The delivery as it came, with other keys.
2. One thing undone, with the own keys: headers, URL and method, body.
3. Other schemes: of other endpoints and presets, an older hash, other arguments of a user's own preset.
4. One thing undone, with other keys. 5. Two things undone, with the own keys. 6. One character of the secret guessed.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from hookguard.autopsy import facts, other_schemes, suspects
from hookguard.autopsy.case import Case
from hookguard.autopsy.changes import bodies_of, method_and_url, with_bodies
from hookguard.autopsy.finding import NO_MATCH, UNFINISHED, Autopsy, Finding, finding
from hookguard.autopsy.futile import other_body_may_fit, other_url_may_fit
from hookguard.autopsy.headers import headers_changed
from hookguard.autopsy.hypothesis import Hypothesis, Replayed
from hookguard.autopsy.judge import LIVE, BoundReached, Bounds, Judge
from hookguard.autopsy.known import Known
from hookguard.autopsy.others import Other, cut_secrets, other_keys
from hookguard.autopsy.wrapped import Unwrapper
from hookguard.delivery import Delivery
from hookguard.errors import Rejected, SignatureMismatch
from hookguard.gateway import GatewayVerifier
from hookguard.schemes.base import Key
from hookguard.schemes.jwt import JwtScheme
from hookguard.verifier import Verifier, VerifierLike

__all__ = ["explain"]

_log = logging.getLogger("hookguard.autopsy")

#: Of the operations with public keys, which are slow: the shares of other keys, of headers and of URLs. Bodies have the rest.
KEYS, HEADERS, URLS = 1 / 8, 1 / 4, 1 / 8
#: Bodies of up to this many bytes are kept in every way of writing.
KEPT = 256 << 10
#: Stage 4: the deliveries that are tried with each other key, and the most keys.
TRIES, MOST_KEYS = 150, 16
#: Stage 5: the most headers; the URLs of each kind, and the bodies that are tried with each.
MOST_HEADERS, URLS_OF_A_KIND, BODIES_OF_A_URL = 4, 2, 64
#: Stage 3, of the own secrets.
_OTHER_SCHEMES = (other_schemes.altered, other_schemes.older_hash, other_schemes.of_other_presets, other_schemes.own_definition)
#: The causes that lie in a header, or bring other headers along.
_OF_HEADERS = frozenset(
    {
        "body_wrapped",
        "content_type",
        "header_duplicated",
        "header_renamed",
        "id_replaced",
        "signature_spelling",
        "timestamp_spelling",
    }
)


def explain(
    verifier: VerifierLike,
    delivery: Delivery,
    *,
    refusal: Rejected | None = None,
    known: Known | None = None,
    bounds: Bounds = LIVE,
) -> Autopsy:
    """Return why a delivery was rejected, the likeliest cause first; no finding for one that is genuine and fresh.

    A proved finding was verified by the scheme itself, with another delivery or key that differs in one or two things. The
    search is bounded and never raises. ``refusal`` is the error that rejected the delivery, if it is known.
    """
    judge = Judge(bounds)
    finished = True
    try:
        findings = _examined(judge, verifier, delivery, refusal, (known or Known()).beside(verifier))
    except BoundReached:
        findings, finished = [finding(UNFINISHED, "suspected")], False
    except Exception as error:
        # A mistake in a hypothesis must not disturb the application. The traceback could show the delivery.
        _log.error("autopsy_failed: the search for the cause raised %s; the delivery stays rejected", type(error).__name__)
        findings, finished = [finding(UNFINISHED, "suspected")], False
    return Autopsy(tuple(findings), finished and all(each.code != UNFINISHED for each in findings), judge.calls, judge.seconds)


def _examined(judge: Judge, verifier: VerifierLike, delivery: Delivery, refusal: Rejected | None, known: Known) -> list[Finding]:
    if isinstance(verifier, GatewayVerifier):
        return _behind_gateway(judge, verifier, delivery, refusal, known)
    if not isinstance(verifier, Verifier):
        return [finding(NO_MATCH, "fact", f"{type(verifier).__name__} cannot be examined")]
    return _Search(Case(judge, verifier, delivery, refusal, known)).run()


def _behind_gateway(
    judge: Judge, verifier: GatewayVerifier, delivery: Delivery, refusal: Rejected | None, known: Known
) -> list[Finding]:
    """Examine the hop first, alone; then the provider's signature."""
    hop = Case(judge, verifier.gateway, delivery, None, known._replace(found=None))
    provider = verifier.provider
    if facts.certain(hop) == []:
        return [] if provider is None else _Search(Case(judge, provider, delivery, refusal, known)).run()
    if provider is not None and not any(name in delivery.headers for name in hop.scheme.carriers.signature):
        inner = Case(judge, provider, delivery, None, known)
        if inner.verified is not None:
            return [finding("gateway_bypassed", "proved", verifier.gateway.preset.name), *inner.clock(inner.verified)]
    return _Search(hop).run()


class _Search:
    """One search. It keeps what several stages need."""

    def __init__(self, case: Case) -> None:
        self.case, self.judge, self.scheme = case, case.judge, case.scheme
        self.others: list[Other] = []
        self.plausible: list[Hypothesis] = []  # headers that make the delivery one that could be genuine
        self._unwrapped = Unwrapper()
        self._other_headers = Replayed(self._headers(case.delivery))
        self._other_urls = Replayed(self._urls(case.delivery))
        self._made: Replayed[tuple[str, str, bytes]] | None = None

    def run(self) -> list[Finding]:
        """Return the findings."""
        case = self.case
        certain = facts.certain(case)
        if certain is not None:
            return certain
        unless_explained = facts.unless_explained(case)
        suspected = suspects.all_of(case.preset, case.own, case.delivery, body_read=case.known.body_read)
        try:
            for stage in self._stages():
                if proved := stage():
                    return proved
        except BoundReached:
            # A later stage may have explained these.
            doubtful = [*(each._replace(kind="suspected") for each in unless_explained), *suspected]
            return [*doubtful, finding(UNFINISHED, "suspected")]
        return unless_explained or suspected or [finding(NO_MATCH, "fact", f"{self.judge.calls} hypotheses")]

    def _stages(self) -> Iterator[Callable[[], list[Finding]]]:
        case = self.case
        yield self._other_keys
        if case.own:
            yield self._one_undone
        yield lambda: other_schemes.of_other_endpoints(case)
        if case.own:
            for stage in _OTHER_SCHEMES:
                yield lambda stage=stage: stage(case)  # type: ignore[misc]  # mypy cannot infer it
        if not case.costly:
            yield self._undone_with_other_keys
            if case.own:
                yield self._two_undone
        if self.judge.bounds.guesses:
            yield lambda: self._with_others(case.delivery, list(cut_secrets(self.scheme, case.own)))

    # Stage 1

    def _other_keys(self) -> list[Finding]:
        case = self.case
        self.others = other_keys(case.verifier, case.own, case.delivery, case.known, case.now)
        if case.costly and case.known.found is None:
            self.others = self.others[: self._share(KEYS)]
        return self._with_others(case.delivery, self.others)

    def _with_others(self, delivery: Delivery, others: Sequence[Other]) -> list[Finding]:
        if not others:
            return []
        verified = self.case.ask(delivery, [each.key for each in others])
        if verified is None:
            return []
        match = next(each for each in others if each.key.name == verified[0])
        return [finding(match.code, "proved", match.detail), *self.case.clock(verified)]

    # Stage 2

    def _one_undone(self) -> list[Finding]:
        for changed in self._changes(self.case.own):
            verified = self.case.ask(changed.delivery, self.case.own)
            if verified is not None:
                return [*_proved(changed), *self.case.clock(verified)]
            if self._fits(changed):
                self.plausible.append(changed)
        return []

    def _fits(self, changed: Hypothesis) -> bool:
        """Whether a header may be the first of two things to undo. One that came in the right form is hardly changed."""
        if changed.obvious:
            return True
        fits = changed.code == "id_replaced" or not self.case.mismatches
        return fits and changed.code in _OF_HEADERS and isinstance(self.judge.why, SignatureMismatch)

    def _changes(self, keys: Sequence[Key]) -> Iterator[Hypothesis]:
        case = self.case
        yield from self._within(self._other_headers, HEADERS)
        if other_url_may_fit(self.scheme, case.delivery, keys):
            yield from self._within(self._other_urls, URLS)
        yield from self._bodies(case.delivery, keys)
        if case.known.body_read and len(case.delivery.body) <= self.judge.bounds.rewritten:
            yield from self._within(self._unwrapped(case.delivery, few=case.costly), KEYS)

    def _share(self, share: float) -> int:
        return int(share * self.judge.bounds.costly)

    def _within(self, changes: Iterable[Hypothesis], share: float) -> Iterable[Hypothesis]:
        return self.judge.within(changes, self._share(share)) if self.case.costly else changes

    def _headers(self, delivery: Delivery) -> Iterator[Hypothesis]:
        preset, given = self.case.preset, getattr(self.scheme, "signature", None)
        first: Any = given[0] if isinstance(given, tuple) else given
        prefix = getattr(getattr(first, "layout", None), "prefix", "") or getattr(self.scheme, "prefix", "")
        reads_type = preset.sends_forms or bool(getattr(self.scheme, "json_field", None)) or hasattr(self.scheme, "header")
        return headers_changed(delivery, self.scheme.carriers, prefix, reads_type=reads_type)

    def _urls(self, delivery: Delivery) -> Iterator[Hypothesis]:
        return method_and_url(delivery, self.scheme, self.case.known.target)

    def _bodies(self, delivery: Delivery, keys: Sequence[Key]) -> Iterator[Hypothesis]:
        """Yield a delivery with the bodies that may have been; they are made once for all stages."""
        case, came = self.case, self.case.delivery
        if not case.known.body_read or not other_body_may_fit(self.scheme, delivery, keys):
            return
        bodies: Iterable[tuple[str, str, bytes]] = bodies_of(delivery, case.preset, self.judge, costly=case.costly)
        if len(came.body) <= KEPT and delivery.body is came.body and _encoding(delivery) == _encoding(came):
            bodies = self._made = self._made or Replayed(bodies_of(came, case.preset, self.judge, costly=case.costly))
        changes = with_bodies(delivery, bodies)
        left = self.judge.bounds.costly - self.judge.costly - self._share(KEYS)
        yield from self.judge.within(changes, left) if case.costly else changes

    # Stages 4 and 5

    def _undone_with_other_keys(self) -> list[Finding]:
        for changed in self._changes([each.key for each in self.others[:MOST_KEYS]]) if self.others else ():
            # With the keys that fit into what is left: the likeliest ones stand first.
            affordable = self.judge.affords(len(changed.delivery.body) + len(changed.delivery.url), TRIES)
            if found := self._with_others(changed.delivery, self.others[: min(affordable, MOST_KEYS)]):
                return [*_proved(changed), *found]
        return []

    def _two_undone(self) -> list[Finding]:
        for first in sorted(self.plausible, key=lambda each: not each.obvious)[:MOST_HEADERS]:
            # A header, with a URL or a body. A delivery that was wrapped may have had other headers.
            headers = self._headers(first.delivery) if first.code == "body_wrapped" else ()
            bodies = chain(self._bodies(first.delivery, self.case.own), self._unwrapped(first.delivery, few=True))
            if found := self._second(first, chain(headers, self._urls(first.delivery), bodies)):
                return found
        kinds: Counter[str] = Counter()
        # A token is read and checked for each body, which is slower than a hash.
        most = BODIES_OF_A_URL // 2 if isinstance(self.scheme, JwtScheme) else BODIES_OF_A_URL
        for first in self._other_urls:
            kinds[first.code] += 1
            if "+" in first.code or kinds[first.code] > URLS_OF_A_KIND:
                continue
            bodies = chain(islice(self._bodies(first.delivery, self.case.own), most), self._unwrapped(first.delivery, few=True))
            if found := self._second(first, bodies):
                return found
        return []

    def _second(self, first: Hypothesis, changes: Iterable[Hypothesis]) -> list[Finding]:
        for changed in changes:
            verified = self.case.ask(changed.delivery, self.case.own)
            if verified is not None:
                return [*_proved(changed), *_proved(first), *self.case.clock(verified)]
        return []


def _encoding(delivery: Delivery) -> str | None:
    return delivery.headers.get("content-encoding")


def _proved(changed: Hypothesis) -> list[Finding]:
    """Return a finding for each thing that a hypothesis changes."""
    codes, details = changed.code.split("+"), changed.detail.split("; ")
    return [finding(code, "proved", details[at] if at < len(details) else "") for at, code in enumerate(codes)]

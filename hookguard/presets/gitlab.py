"""GitLab: the signing token (since 19.0, the Standard Webhooks scheme) and the older secret token."""

from hookguard.place import FirstOf, InHeader
from hookguard.preset import Preset
from hookguard.presets.standard_webhooks import standard_scheme
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.token import TokenScheme

__all__ = ["GITLAB", "GITLAB_TOKEN"]

_DOCS = Source("https://docs.gitlab.com/user/project/integrations/webhooks/", "2026-11-24")
_LIMITS = Source("https://docs.gitlab.com/user/gitlab_com/", "2026-11-24")

_PROFILE = Profile(
    schedule=_DOCS.silent(
        "now and then, as after a timeout, under the same Idempotency-Key; by hand from the list of deliveries"
    ),
    horizon=_DOCS.silent(DAY),
    resigned=_DOCS.silent(None),
    stable_body=_DOCS.silent(None),
    timeout=_LIMITS.says(10.0),
    statuses=_DOCS.says(
        "2xx succeeds; on GitLab.com the webhook pauses for a while after 4 failures in a row and is disabled after 40"
    ),
    # Of GitLab.com; an installation of one's own has its own.
    networks=_LIMITS.says("https://docs.gitlab.com/user/gitlab_com/#ip-range"),
)

GITLAB = Preset(
    name="gitlab",
    title="GitLab (signing token)",
    scheme=standard_scheme("webhook"),
    event_id=InHeader("webhook-id"),
    event_type=InHeader("X-Gitlab-Event"),
    profile=_PROFILE,
    proof=("sdk",),
    docs="https://docs.gitlab.com/user/project/integrations/webhooks/",
)

GITLAB_TOKEN = Preset(
    name="gitlab-token",
    title="GitLab (secret token)",
    scheme=TokenScheme(token=InHeader("X-Gitlab-Token")),
    event_id=FirstOf(InHeader("Idempotency-Key"), InHeader("X-Gitlab-Event-UUID")),
    event_type=InHeader("X-Gitlab-Event"),
    # Nothing is signed, so the content proves nothing here. It counts because before 17.4 there is only the event's UUID,
    # which webhooks caused by webhooks share: by the id alone the later ones would be dropped as duplicates.
    identity="id+content",
    profile=_PROFILE,
    docs="https://docs.gitlab.com/user/project/integrations/webhooks/",
    note="The token is sent in clear and signs nothing: prefer the signing token (preset gitlab).",
)

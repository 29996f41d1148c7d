"""GitLab: the signing token (since 19.0, the Standard Webhooks scheme) and the older secret token."""

from hookguard.facts import DAY, MIB, Facts, Source
from hookguard.place import FirstOf, InHeader
from hookguard.preset import Preset
from hookguard.presets.standard_webhooks import standard_scheme
from hookguard.schemes.token import TokenScheme

__all__ = ["GITLAB", "GITLAB_TOKEN"]

_DOCS = Source("https://docs.gitlab.com/user/project/integrations/webhooks/", "2026-11-24")
_LIMITS = Source("https://docs.gitlab.com/user/gitlab_com/", "2026-11-24")
_SENDER = Source("https://gitlab.com/gitlab-org/gitlab/-/blob/master/app/services/web_hook_service.rb", "2026-11-30")
_KEYS = Source("https://gitlab.com/gitlab-org/gitlab/-/merge_requests/160952", "2026-11-30")

_PROFILE = Facts(
    schedule=_DOCS.silent(
        "sometimes, for example after a timeout, with the same Idempotency-Key; by hand from the list of deliveries"
    ),
    horizon=_DOCS.silent(DAY),
    resigned=_DOCS.silent(None),
    stable_body=_DOCS.silent(None),
    stable_id=_KEYS.says(True),
    largest_body=_SENDER.says(25 * MIB),
    timeout=_LIMITS.says(10.0),
    statuses=_DOCS.says(
        "2xx succeeds; on GitLab.com the webhook pauses for a while after 4 failures in a row and is disabled after 40"
    ),
    # GitLab.com's; a self-managed installation has its own.
    networks=_LIMITS.says("https://docs.gitlab.com/user/gitlab_com/#ip-range"),
)

GITLAB = Preset(
    name="gitlab",
    title="GitLab (signing token)",
    secret_shape="whsec_[A-Za-z0-9+/=]{24,}",
    not_secrets=(("gl(?:pat|dt|rt|ptt|oas)-", "an access token"),),
    scheme=standard_scheme("webhook"),
    event_id=InHeader("webhook-id"),
    event_type=InHeader("X-Gitlab-Event"),
    facts=_PROFILE,
    proof=("sdk",),
    docs="https://docs.gitlab.com/user/project/integrations/webhooks/",
)

GITLAB_TOKEN = Preset(
    name="gitlab-token",
    title="GitLab (secret token)",
    not_secrets=(("gl(?:pat|dt|rt|ptt|oas)-", "an access token"),),
    scheme=TokenScheme(token=InHeader("X-Gitlab-Token")),
    event_id=FirstOf(InHeader("Idempotency-Key"), InHeader("X-Gitlab-Event-UUID")),
    event_type=InHeader("X-Gitlab-Event"),
    # Nothing is signed, so the content proves nothing. It counts because deliveries before 17.4 have only the event's UUID.
    # Webhooks that a webhook triggers share it: by the id alone the later ones would be dropped as duplicates.
    identity="id+content",
    facts=_PROFILE,
    docs="https://docs.gitlab.com/user/project/integrations/webhooks/",
    note="The token is sent in plain text and signs nothing. Prefer the signing token (preset gitlab).",
)

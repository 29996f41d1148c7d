"""Grafana Alerting's webhook contact point."""

from hookguard.facts import HOUR, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["GRAFANA", "grafana_scheme"]

_DOCS = Source(
    "https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/",
    "2026-11-24",
)
_CLIENT = Source("https://github.com/grafana/alerting/blob/main/http/tls.go", "2026-11-25")
_SENDER = Source("https://github.com/grafana/alerting/blob/main/http/client.go", "2026-11-25")


def grafana_scheme(*, header: str = "X-Grafana-Alerting-Signature", timestamp_header: str | None = None) -> HmacScheme:
    """Return the scheme for a contact point's settings: the signature's header and, if there is one, the timestamp's."""
    if timestamp_header is None:
        return HmacScheme(signature=SignatureHeader(header, "{hex}"))
    return HmacScheme(
        signature=SignatureHeader(header, "{hex}"), timestamp=InHeader(timestamp_header), signed="{timestamp}:{body}"
    )


GRAFANA = Preset(
    name="grafana",
    title="Grafana Alerting",
    scheme=grafana_scheme(),
    # Events have no id. The body holds the state of the group; the same state is the same event.
    event_id=None,
    event_type=InBody("status"),
    identity="content",
    facts=Facts(
        schedule=_DOCS.silent("while the alerts fire, at the next interval of the notification policy"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_CLIENT.says(30.0),
        statuses=_SENDER.says("2xx succeeds"),
        networks=_DOCS.silent(None),
    ),
    docs="https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/",
    note=(
        "A reminder of unchanged alerts has the same body and is handled once. A timestamp header in the contact point is"
        " safer: then write a preset with grafana_scheme(timestamp_header=…)."
    ),
)

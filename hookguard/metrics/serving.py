"""The metrics of a worker, which serves no requests, on a port of its own."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from hookguard.errors import ConfigurationError
from hookguard.outcome import Observer

__all__ = ["serve_metrics"]

_log = logging.getLogger("hookguard.work")

_ADDRESS = re.compile(r"(?:(?P<host>[^:\s]+|\[[0-9a-fA-F:.]+\]):)?(?P<port>[0-9]{1,5})", re.ASCII)


def serve_metrics(address: str, observers: Iterable[Observer]) -> None:
    """Serve the metrics of these observers, until the process ends. ``address`` is ``9101`` (on loopback) or ``0.0.0.0:9101``.

    Raises ConfigurationError.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found["port"]) < 65_536:
        raise ConfigurationError(f"metrics is {address!r}; give a port, such as 9101, or an address, such as 0.0.0.0:9101")
    try:
        from prometheus_client import start_http_server  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("metrics needs prometheus-client: pip install 'hookguard-webhooks[metrics]'") from None
    from hookguard.metrics.prometheus import PrometheusObserver  # noqa: PLC0415 - an extra

    registries = list({id(each.registry): each.registry for each in observers if isinstance(each, PrometheusObserver)}.values())
    if len(registries) != 1:
        raise ConfigurationError(
            f"metrics is {address!r}, and the endpoints have {len(registries)} registries of metrics: give one PrometheusObserver"
            " to observers"
        )
    host = (found["host"] or "127.0.0.1").strip("[]")
    try:
        start_http_server(int(found["port"]), host, registries[0])
    except OSError as error:
        raise ConfigurationError(f"metrics is {address!r}, and nothing can listen there: {error}") from None
    _log.info("metrics on port %s of %s", found["port"], host)

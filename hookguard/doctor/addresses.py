"""Checks of the URLs and routes of the endpoints."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from hookguard.doctor.application import Application, Finder, Route
from hookguard.endpoint import Endpoint
from hookguard.privacy.shown import shown_url
from hookguard.remarks import Remark
from hookguard.remarks.routes import missing_methods

__all__ = ["ADDRESS_FINDERS", "unknown_hosts"]

#: A path without parameters, as every framework writes them.
_FIXED = re.compile(r"/[^<>{}()^$?*\\]*")


def _public_urls(application: Application) -> Iterator[Remark]:
    for endpoint in application.every_endpoint():
        if endpoint.public_url is None:
            continue
        url, shown = (
            urlsplit(endpoint.public_url),
            f"public_url of endpoint {endpoint.name!r} is {shown_url(endpoint.public_url)!r}",
        )
        if endpoint.require_https and url.scheme == "http":
            yield Remark(
                "U1", f"{shown}, and the endpoint requires HTTPS", "Write it with https://, as in the dashboard", "error"
            )
        if "@" in url.netloc:
            yield Remark("U1", f"{shown}, with a user and a password", "Remove them unless the dashboard has them too", "info")
        paths = [route.path for route in application.routes if route.endpoint is endpoint]
        if paths and all(map(_FIXED.fullmatch, paths)) and not any(_leads_to(url.path, path) for path in paths):
            yield Remark("U1", f"{shown}, and its route is {paths[0]!r}")


def _leads_to(public: str, path: str) -> bool:
    # A proxy may remove the beginning. A missing slash at the end is another check's.
    return (public.rstrip("/") or "/").endswith(path.rstrip("/"))


def _redirects(application: Application) -> Iterator[Remark]:
    if not application.slash_redirects:
        return
    for route in application.routes:
        if not route.path.endswith("/") or route.path == "/":
            continue
        public = route.endpoint.public_url
        if public is None:
            yield Remark(
                "U2",
                f"the webhook at {route.path!r} ends with a slash: a delivery without the slash gets a redirect and is lost",
                "Give the provider the URL with the slash, or write the route without one. Then silence this check",
            )
        elif not urlsplit(public).path.endswith("/"):
            yield Remark(
                "U2",
                f"public_url of endpoint {route.endpoint.name!r} lacks the slash of its route {route.path!r}, so every delivery"
                " gets a redirect",
                "Write the slash in public_url and in the dashboard, or write the route without one",
            )


def _paths(application: Application) -> Iterator[Remark]:
    taken: defaultdict[str, dict[Endpoint, Route]] = defaultdict(dict)
    for route in application.routes:
        taken[route.path][route.endpoint] = route
    for path, endpoints in taken.items():
        if len(endpoints) > 1:
            names = " and ".join(repr(endpoint.name) for endpoint in endpoints)
            yield Remark("U3", f"the path {path!r} belongs to the endpoints {names}", "Give each endpoint a path of its own")
    routed = {route.endpoint for route in application.routes}
    if not application.lists_all:
        return
    for name, endpoint in application.endpoints.items():
        if endpoint not in routed:
            yield Remark("U3", f"no route leads to endpoint {name!r}", "Guard a view with it, or remove it from the settings")


def _methods(application: Application) -> Iterator[Remark]:
    for route in application.routes:
        endpoint = route.endpoint
        if route.methods is not None and not endpoint.methods <= route.methods:
            yield missing_methods(route.path, route.methods, endpoint.preset.methods, endpoint.methods)


def unknown_hosts(application: Application, setting: str, is_known: Callable[[str], bool]) -> Iterator[Remark]:
    """Yield a remark for each host of a public URL that the framework does not accept, by its own ``setting``."""
    for endpoint in application.every_endpoint():
        host = urlsplit(endpoint.public_url or "").hostname
        if host and not is_known(host):
            yield Remark(
                "W2",
                f"{setting} does not allow {host!r}, the host in public_url of endpoint {endpoint.name!r}: every delivery gets"
                " 400",
                f"Add the host to {setting}",
            )


ADDRESS_FINDERS: Final = (
    Finder(("U1",), _public_urls),
    Finder(("U2",), _redirects),
    Finder(("U3",), _paths),
    Finder(("W5",), _methods),
)

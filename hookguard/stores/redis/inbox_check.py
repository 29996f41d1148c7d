"""Checks whether a Redis server keeps what an inbox stores. Does no input or output."""

from __future__ import annotations

import re
from typing import Any, Final

from hookguard.errors import StoreMisconfigured
from hookguard.inbox.contract import Survives

__all__ = ["check_inbox"]

#: A prefix with a hash tag: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
_HASH_TAG: Final = re.compile(r"[^{]*\{[^}]+\}")


def check_inbox(info: dict[str, Any], prefix: str) -> tuple[Survives, list[str]]:
    """Return what an answered event outlives, and remarks, by a server's INFO and its settings for the append-only file.

    Raises StoreMisconfigured if the server would lose events that were answered.
    """
    if info.get("maxmemory_policy", "noeviction") != "noeviction":
        raise StoreMisconfigured(
            f"this Redis evicts (maxmemory-policy is {info['maxmemory_policy']}): when its memory is full, it deletes events that"
            " were answered and not handled. Set maxmemory-policy to noeviction, or use another Redis for hookguard"
        )
    if info.get("aof_enabled") == 0:
        raise StoreMisconfigured(
            "this Redis keeps no append-only file, so a restart loses every answered event: set appendonly to yes (redis.conf, or"
            " CONFIG SET appendonly yes, then CONFIG REWRITE), or keep deliveries in another store"
        )
    if info.get("cluster_enabled") == 1 and not _HASH_TAG.match(prefix):
        raise StoreMisconfigured(
            f"this Redis is a node of a cluster, and an inbox needs all of its keys on one node: put the prefix into braces,"
            f" prefix={'{' + prefix + '}'!r}"
        )
    found = []
    if info.get("connected_slaves"):
        found.append(
            "this Redis has a replica: if that takes over, the answered events that had not reached it are lost. PostgreSQL and"
            " MySQL can answer after the replica has them"
        )
    if (policy := info.get("appendfsync")) is None:
        found.append(
            "this Redis does not show this user its appendfsync: make sure that it is always, otherwise a power cut loses"
            " answered events"
        )
    elif policy != "always":
        found.append(f"appendfsync is {policy}: a power cut loses the answered events of the last seconds; set it to always")
    elif info.get("no-appendfsync-on-rewrite") == "yes":
        policy = None
        found.append(
            "no-appendfsync-on-rewrite is yes: a power cut while the file is rewritten loses answered events; set it to no"
        )
    return "power" if policy == "always" else "process", found

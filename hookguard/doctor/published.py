"""Secrets that manuals, SDKs and their tests publish: anybody can sign with them. Kept as digests, which no scanner reports."""

from __future__ import annotations

import hashlib
from typing import Final

__all__ = ["is_published"]

#: The first 64 bits of the SHA-256 of each: those of tests/vectors, whose files name the pages, those on our own pages, and
#: the one in Slack's manual (https://docs.slack.dev/authentication/verifying-requests-from-slack, 2026-11-30).
_PUBLISHED: Final = frozenset(
    bytes.fromhex(digest)
    for digest in (
        "099829beec92e555",
        "09a8e0fe098a621e",
        "137309ddf05da19c",
        "18fb7f071f430372",
        "19876f0dcd40476c",
        "2590388f27dccae8",
        "2a3b421fee74e94e",
        "2ae532512ffa48d9",
        "2dd745ff991276ae",
        "2f8894d90ffb7560",
        "3701699dcc392d63",
        "54217fb83a30f190",
        "5e6e774e4bd30c5a",
        "5f9e16e492191079",
        "652c7dc687d98c98",
        "6a9e97d4587aa8cd",
        "6adbfd178516c8ef",
        "6be8f8b92747b628",
        "6d02311036324a0c",
        "713d1725fd9c2bef",
        "7418bfa6cc65d7a8",
        "796dece13743b6c9",
        "7a200eb89adb0904",
        "81e9c3edb7124011",
        "81ec81d252bba25b",
        "8cf279baacb5e2df",
        "9454ba926dacbd96",
        "95f3a7026fa43b17",
        "969e0ced2b825c32",
        "96ad2ccd81462a76",
        "9e7aba93751cef81",
        "a31c1389f3d75e8e",
        "a86496fa83482c96",
        "aa9aa4108ac93f9b",
        "ae5f02b85ef8b8f9",
        "b400df4d7db31b2c",
        "b6ef6f6333969b13",
        "b7fc4838f5a36c8d",
        "c46e3fec879af207",
        "c691750e32667606",
        "cab200787e83b863",
        "caff08160ade4cd7",
        "ce1807e913c97047",
        "d0762979b54a5ad9",
        "d4e1077ad28d129d",
        "eb46a248d1307e4f",
        "ec18dc2cffe126b5",
        "f928024d185604e8",
        "f9e39db2d8ad5d46",
        "fc14fc8b9203dad8",
        "fc97bb52861fcf32",
        "ffe054fe7ae0cb6d",
    )
)


def is_published(secret: bytes) -> bool:
    """Return whether this text is such a secret."""
    return hashlib.sha256(secret).digest()[:8] in _PUBLISHED

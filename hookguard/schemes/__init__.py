"""Signature schemes, one family a file."""

from hookguard.schemes.base import Draft, FetchingScheme, Key, Scheme, Verified
from hookguard.schemes.callback import CallbackScheme
from hookguard.schemes.fields import FieldsScheme, IfPresent, InSignature
from hookguard.schemes.hash import HashScheme
from hookguard.schemes.hmac import HmacScheme, SignatureHeader
from hookguard.schemes.jwt import JwtScheme, PublishedJwtScheme
from hookguard.schemes.public_key import PublicKeyScheme
from hookguard.schemes.token import InEvery, TokenScheme

__all__ = [
    "CallbackScheme",
    "Draft",
    "FetchingScheme",
    "FieldsScheme",
    "HashScheme",
    "HmacScheme",
    "IfPresent",
    "InEvery",
    "InSignature",
    "JwtScheme",
    "Key",
    "PublicKeyScheme",
    "PublishedJwtScheme",
    "Scheme",
    "SignatureHeader",
    "TokenScheme",
    "Verified",
]

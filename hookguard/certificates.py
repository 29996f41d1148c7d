"""Certificates (X.509) as PayPal and Amazon SNS publish them.

The published ones come alone, without those between them and a root, over HTTPS from an address that is the provider's own: who
serves one vouches for it. The package cryptography is imported when one is read.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from hookguard.errors import ConfigurationError, UntrustedKeySource

__all__ = ["check_dates", "read_certificates"]

#: Certificates of one chain that are looked at.
MAX_CHAIN = 8


def read_certificates(content: bytes) -> list[Any]:
    """Return the certificates in PEM text, the provider's own first; ValueError when there is none or too many."""
    try:
        from cryptography import x509  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("certificates need the package cryptography: pip install 'hookguard-webhooks[crypto]'") from None

    try:
        found = x509.load_pem_x509_certificates(content)
    except Exception as error:  # what is wrong with a certificate has many names there
        raise ValueError(f"a certificate cannot be read ({type(error).__name__})") from None
    if not found or len(found) > MAX_CHAIN:
        raise ValueError(f"{len(found)} certificates came; 1 to {MAX_CHAIN} are read")
    return found


def check_dates(certificate: Any, now: float) -> None:
    """Raise UntrustedKeySource unless the certificate is valid at ``now`` (seconds since 1970)."""
    moment = datetime.fromtimestamp(now, timezone.utc)
    if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
        raise UntrustedKeySource("the certificate is not valid at this time")

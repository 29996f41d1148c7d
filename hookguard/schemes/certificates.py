"""Certificates (X.509) as PayPal and Amazon SNS publish them.

A published certificate comes without the chain to a root. It is trusted because it was fetched over HTTPS from the provider's
own address. The package cryptography is imported when a certificate is read.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from hookguard.errors import ConfigurationError, UntrustedKeySource

__all__ = ["check_dates", "read_certificates"]

#: Certificates that are read of one chain.
MAX_CHAIN = 8


def read_certificates(content: bytes) -> list[Any]:
    """Return the certificates in PEM text, the provider's own first; ValueError if it has no certificate or too many."""
    try:
        from cryptography import x509  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("certificates need the package cryptography: pip install 'hookguard-webhooks[crypto]'") from None

    try:
        found = x509.load_pem_x509_certificates(content)
    except Exception as error:  # the package raises many kinds of errors
        raise ValueError(f"a certificate cannot be read ({type(error).__name__})") from None
    if not found or len(found) > MAX_CHAIN:
        raise ValueError(f"the document holds {len(found)} certificates; 1 to {MAX_CHAIN} are allowed")
    return found


def check_dates(certificate: Any, now: float) -> None:
    """Raise UntrustedKeySource unless the certificate is valid at ``now`` (seconds since 1970)."""
    moment = datetime.fromtimestamp(now, timezone.utc)
    if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
        raise UntrustedKeySource("the certificate is not valid at this time")

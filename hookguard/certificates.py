"""Certificates (X.509) as providers publish or send them: read, and checked up to a root.

The checking is the package cryptography's; it is imported when a certificate is read.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

from hookguard.errors import ConfigurationError, UntrustedKeySource

__all__ = ["check_chain", "check_dates", "read_certificates", "read_roots"]

#: Certificates of one chain that are looked at.
MAX_CHAIN = 8


def _need() -> None:
    try:
        from cryptography.x509 import verification  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("certificates need the package cryptography: pip install 'hookguard-webhooks[crypto]'") from None


def read_certificates(content: bytes | Sequence[bytes]) -> list[Any]:
    """Return the certificates in PEM text, or in a list of DER bytes, in order; ValueError when there is none or too many."""
    _need()
    from cryptography import x509  # noqa: PLC0415 - an extra

    try:
        found = (
            x509.load_pem_x509_certificates(content)
            if isinstance(content, bytes)
            else [x509.load_der_x509_certificate(der) for der in content[: MAX_CHAIN + 1]]
        )
    except Exception as error:  # what is wrong with a certificate has many names there
        raise ValueError(f"a certificate cannot be read ({type(error).__name__})") from None
    if not found or len(found) > MAX_CHAIN:
        raise ValueError(f"{len(found)} certificates came; 1 to {MAX_CHAIN} are read")
    return found


def read_roots(pem: str | bytes | None = None) -> list[Any]:
    """Return the roots in PEM text, or those the machine trusts; ConfigurationError when there are none."""
    _need()
    from cryptography import x509  # noqa: PLC0415 - an extra

    if pem is not None:
        try:
            return x509.load_pem_x509_certificates(pem.encode() if isinstance(pem, str) else pem)
        except ValueError:
            raise ConfigurationError("the root certificate is no PEM that can be read") from None
    roots: list[Any] = []
    with warnings.catch_warnings():
        # Some machines' bundles hold certificates that are no longer well formed, or will not be soon.
        warnings.simplefilter("ignore")
        for der in ssl.create_default_context().get_ca_certs(binary_form=True) or _bundled():
            try:
                roots.append(x509.load_der_x509_certificate(der))
            except ValueError:
                continue
    if not roots:
        raise ConfigurationError("this machine trusts no root certificates: install ca-certificates, or pip install certifi")
    return roots


def _bundled() -> Iterable[bytes]:
    try:
        import certifi  # noqa: PLC0415 - comes with the extra fetch
    except ImportError:
        return []
    context = ssl.create_default_context(cafile=certifi.where())
    return context.get_ca_certs(binary_form=True)


def check_dates(certificate: Any, now: float) -> None:
    """Raise UntrustedKeySource unless the certificate is valid at ``now`` (seconds since 1970)."""
    moment = datetime.fromtimestamp(now, timezone.utc)
    if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
        raise UntrustedKeySource("the certificate is not valid at this time")


def check_chain(chain: Sequence[Any], roots: Sequence[Any], now: float, *, host: str | None = None) -> None:
    """Raise UntrustedKeySource unless the chain, leaf first, leads to one of the roots at ``now`` (seconds since 1970).

    ``host`` is the name a server's certificate must be for; without it the certificate may be for any purpose, and what it
    is for is the caller's to check. A root that came along in the chain counts for nothing.
    """
    _need()
    from cryptography import x509  # noqa: PLC0415 - an extra
    from cryptography.x509 import verification  # noqa: PLC0415

    leaf, *rest = chain
    moment = datetime.fromtimestamp(now, timezone.utc)
    builder = verification.PolicyBuilder().store(verification.Store(list(roots))).time(moment).max_chain_depth(MAX_CHAIN)
    try:
        if host is not None:
            builder.build_server_verifier(x509.DNSName(host)).verify(leaf, rest)
        else:
            anything = verification.ExtensionPolicy.permit_all()
            # That it may sign others (cA) is checked wherever the extension must be there.
            authority = verification.ExtensionPolicy.permit_all().require_present(
                x509.BasicConstraints, verification.Criticality.AGNOSTIC, None
            )
            builder = builder.extension_policies(ca_policy=authority, ee_policy=anything)
            builder.build_client_verifier().verify(leaf, rest)
    except Exception as error:  # a VerificationError; or what a hostile certificate makes of it
        raise UntrustedKeySource(
            f"the certificate does not lead to a trusted root, is not valid now or is for another host ({type(error).__name__})"
        ) from None

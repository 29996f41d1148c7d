"""The keyed hash against RFC 4231 and RFC 2202."""

import pytest

from hookguard.schemes.hmac import HmacKey

LONG = (
    b"This is a test using a larger than block-size key and a larger than block-size data."
    b" The key needs to be hashed before being used by the HMAC algorithm."
)
JEFE = (b"Jefe", b"what do ya want for nothing?")
COUNT = (bytes(range(1, 26)), b"\xcd" * 50)
FIRST = b"Test Using Larger Than Block-Size Key - Hash Key First"

#: RFC 4231 §4.2 to §4.8, without the truncated case.
RFC_4231 = [
    (b"\x0b" * 20, b"Hi There", "sha256", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (*JEFE, "sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    (b"\xaa" * 20, b"\xdd" * 50, "sha256", "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (*COUNT, "sha256", "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    (b"\xaa" * 131, FIRST, "sha256", "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
    (b"\xaa" * 131, LONG, "sha256", "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
    (
        b"\x0b" * 20,
        b"Hi There",
        "sha384",
        "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
    ),
    (
        b"\xaa" * 131,
        LONG,
        "sha384",
        "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860e6110c46523e",
    ),
    (
        *JEFE,
        "sha512",
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    ),
    (
        b"\xaa" * 131,
        FIRST,
        "sha512",
        "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
    ),
]

#: RFC 2202 §3.
RFC_2202 = [
    (b"\x0b" * 20, b"Hi There", "sha1", "b617318655057264e28bc0b6fb378c8ef146be00"),
    (*JEFE, "sha1", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
    (b"\xaa" * 20, b"\xdd" * 50, "sha1", "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
    (*COUNT, "sha1", "4c9007f4026250c6bc8414f9bf50c86c2d7235da"),
    (b"\xaa" * 80, FIRST, "sha1", "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
    (
        b"\xaa" * 80,
        b"Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
        "sha1",
        "e8e99d0f45237d786d6bbaa7965c7808bbff1a91",
    ),
]


@pytest.mark.parametrize(("key", "message", "digest", "expected"), [*RFC_4231, *RFC_2202])
def test_hmac_matches_the_vectors_of_the_rfc(key, message, digest, expected):
    assert HmacKey(key, digest).digest(message).hex() == expected
    assert HmacKey(key, digest).digest(message[:3], message[3:]).hex() == expected

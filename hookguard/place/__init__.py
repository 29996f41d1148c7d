"""Places in a delivery: a header, a path in the JSON body, a form field, a query parameter, an element of an XML body.

A place is a mirror, as a layout is: ``find`` reads the text that ``put`` writes.
"""

from hookguard.place.several import Content, EachDelivery, FirstOf, Joined, MatchedSecret, before_slash
from hookguard.place.single import (
    InBody,
    InForm,
    InHeader,
    InQuery,
    InXml,
    Place,
    Readable,
    Writable,
    in_words,
    need_place,
    text_of,
)

__all__ = [
    "Content",
    "EachDelivery",
    "FirstOf",
    "InBody",
    "InForm",
    "InHeader",
    "InQuery",
    "InXml",
    "Joined",
    "MatchedSecret",
    "Place",
    "Readable",
    "Writable",
    "before_slash",
    "in_words",
    "need_place",
    "text_of",
]

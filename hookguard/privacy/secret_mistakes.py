"""Texts given by mistake in place of a secret: dotted paths, placeholders, quotes. As secrets, anybody could guess them."""

from __future__ import annotations

import keyword
import re

__all__ = ["find_secret_mistake", "is_placeholder", "is_quoted"]

#: Marks around a text that some panels keep as a part of it.
_QUOTES = "\"'`"
#: Quotation marks of text processors: each opening one with its closing ones.
_TYPOGRAPHIC = {
    "\u201c": "\u201d\u201c",
    "\u201d": "\u201d",
    "\u201e": "\u201c\u201d",
    "\u2018": "\u2019\u2018",
    "\u2019": "\u2019",
    "\u00ab": "\u00bb",
}

#: Words that no provider and no random generator produces; case, spaces and punctuation are ignored.
_WORDS = re.compile(r"change(?:me|this|it)|replace(?:me|this|with)|placeholder|^(?:undefined|notset|unset)$")
#: Unfilled variables of templates, shells and manuals.
_UNFILLED = re.compile(
    r"<[^<>]*>|\$\{.*\}|\$\(.*\)|\$[A-Z][A-Z0-9_]*|\{\{.*\}\}|\{%.*%\}|%[A-Z][A-Z0-9_]*%|#\{.*\}|\[[A-Z][A-Z0-9_ ]+\]"
    r"|(?:TODO|FIXME)\b.*",
    re.DOTALL,
)
#: Masked secrets in dashboards, and shortened ones in examples.
_MASKED = re.compile(r"[…•●]|\.\.\.|\*{4}|[xX]{6}")
#: ``{"lookup": "…"}`` as text, from an environment variable or a file.
_LOOKUP_AS_TEXT = re.compile(r"\{\s*[\"']?lookup[\"']?\s*[:=].*\}", re.DOTALL | re.IGNORECASE)
#: References to a secret's location. hookguard does not resolve them.
_REFERENCE = re.compile(
    r"(?:env|dotenv|file|vault|ssm|secret|secrets|op|doppler|keyring|keychain|sops|k8s|kubernetes|bitwarden|1password|infisical"
    r"|aws-ssm|gcp|gsm|azurekeyvault|akv)\s*[:=(].*"
    r"|[A-Za-z][A-Za-z0-9+.-]*://.*"
    r"|arn:aws[a-z-]*:(?:secretsmanager|ssm|kms):.*|projects/[^/]+/secrets/.*|/(?:run|etc|var|mnt|secrets|vault)/.*"
    r"|(?:import )?os\.(?:environ|getenv)\b.*|%\([^)]*\)s"
    # config('X') and ENV["X"], a tag of YAML, a file's path, a name in a file
    r"|[A-Za-z_][A-Za-z0-9_.]*\s*[(\[]\s*[\"'][^\"']*[\"']\s*[)\]]|![A-Za-z]+ [A-Z][A-Z0-9_]*"
    r"|(?:@/|@?~/|@?\.\.?/).*|[A-Za-z0-9_./-]+\.py:[A-Za-z0-9_.]+",
    re.DOTALL,
)
#: Texts around a dotted path: the word for a lookup, a call, and relative dots.
_AROUND = re.compile(r"\A(?:(?:lookup|python|import)\s*[:=]?\s*)?\.*|(?:\(\)|\.)*\Z")

#: As in manuals. Published vectors use such texts as well, so only settings reject them.
_YOURS = re.compile(r"(?:whsec|insert|enter|put|paste)?your[a-z]*(?:secret|key|token|password)[a-z]*")
_VARIABLE = re.compile(r"[A-Z]{2,}(?:_[A-Z]{2,})+")
#: Changes of the kind of character: to digits, from digits, or to a capital.
_CHANGE = re.compile(r"(?<=[A-Za-z])[0-9]|(?<=[0-9])[A-Za-z]|(?<=[a-z])[A-Z]")
#: A name of at least this many letters is random if it changes more often than at every fourth: words are longer.
_LONG, _OFTEN = 20, 1 / 4


def find_secret_mistake(text: str) -> str | None:
    """Return the mistake in a text that is given as a secret, with the fix; None if it may be a secret.

    The sentence does not quote the text, because it may be the real secret.
    """
    if is_quoted(text):
        return "is in quotation marks, which Docker's --env-file and some panels keep as part of the value: remove them"
    if _UNFILLED.fullmatch(text) or _WORDS.search(re.sub(r"[\W_]", "", text.lower())):
        return "is an unfilled placeholder: set it to the value the provider's dashboard shows"
    if _MASKED.search(text) and len(set(text)) > 1:  # one character repeated has a sentence of its own
        return "is masked or cut short, as a dashboard or an example shows it: copy the whole value"
    if _LOOKUP_AS_TEXT.fullmatch(text):
        return (
            "is a lookup written as text, and the text itself would be the secret, which anybody could guess: parse it first"
            " (json.loads), so that the setting is a mapping"
        )
    if _REFERENCE.fullmatch(text):
        return (
            "names a place where a secret is kept, and the name itself would be the secret, which"
            " anybody could guess: read the value from there, and give that"
        )
    if _is_dotted_path(text):
        return (
            "looks like a dotted path, and the path itself would be the secret, which anybody could guess. To call a function"
            ' that looks the secrets up, write {"lookup": "…"} with the path in it, or give the function itself'
            ' (if the provider\'s secret really looks like this, give it as bytes: Secret.exact(b"…"))'
        )
    return None


def is_quoted(text: str) -> bool:
    """Whether the text is in quotation marks, those of text processors included."""
    return len(text) > 1 and text[-1] in (text[0] if text[0] in _QUOTES else _TYPOGRAPHIC.get(text[0], ""))


def is_placeholder(text: str) -> bool:
    """Whether the text is a placeholder of manuals (``your_secret_key``), or a variable's name (``STRIPE_SECRET``)."""
    return _VARIABLE.fullmatch(text) is not None or _YOURS.fullmatch(re.sub(r"[\W_]", "", text.lower())) is not None


def _is_dotted_path(text: str) -> bool:
    """Whether the text reads as a path to a Python object (``shop.hooks.secrets_of``, ``shop.hooks:secrets_of``).

    The object need not exist: a misspelled path would be used as a secret too.
    Tokens of parts (``eyJ….eyJ….…``) are random letters and digits.
    """
    bare = _AROUND.sub("", text).replace("()", "")
    module, colon, attribute = bare.partition(":")
    parts = [*module.split("."), *(attribute.split(".") if colon else ())]
    return "." in module and all(part.isidentifier() and not keyword.iskeyword(part) for part in parts) and not _is_random(text)


def _is_random(text: str) -> bool:
    letters = sum(map(str.isalnum, text))
    return letters >= _LONG and len(_CHANGE.findall(text)) > letters * _OFTEN

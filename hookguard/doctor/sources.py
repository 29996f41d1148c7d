"""Words in the source of middleware. They show that it may reject a provider, or read the body; they prove nothing."""

from __future__ import annotations

import inspect
from typing import Any, Final

__all__ = ["reads_body", "requires_login"]

#: Words in the source or the name of what requires a login.
_LOGIN_WORDS: Final = (
    "LoginRequired",
    "login_required",
    "is_authenticated",
    "is_anonymous",
    "redirect_to_login",
    "LOGIN_URL",
    "login_url",
)


def requires_login(code: Any, name: str = "") -> bool:
    """Return whether a function or class seems to reject requests without a login. ``name`` is its dotted path."""
    text = f"{name}\n{_source(code)}"
    return any(word in text for word in _LOGIN_WORDS)


def reads_body(code: Any, *words: str) -> bool:
    """Return whether one of the words, which read a request's body, is in the source of a function or class."""
    text = _source(code)
    return any(word in text for word in words)


def _source(code: Any) -> str:
    try:
        return inspect.getsource(code)
    except (OSError, TypeError):
        return ""  # compiled, or made at run time

"""Keys over HTTPS, with the extra `fetch`."""

from hookguard.fetch.http import AsyncHttpKeySource, HttpKeySource

__all__ = ["AsyncHttpKeySource", "HttpKeySource"]

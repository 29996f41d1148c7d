"""Claims in Redis or Valkey, through redis-py."""

from hookguard.errors import ConfigurationError

try:
    import redis as _redis
except ImportError as missing:
    raise ConfigurationError("this store needs redis-py: pip install 'hookguard-webhooks[redis]'", check="P2") from missing

from hookguard.stores.redis.store import AsyncRedisStore, RedisStore

__all__ = ["AsyncRedisStore", "RedisStore"]

del _redis

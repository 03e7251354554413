"""The forms of the secrets of API keys and shares, and the hash under which they are stored."""

import hashlib
import re
from typing import Final

SHARE_PREFIX: Final = "tss_"

_KEY_SECRET: Final = re.compile(r"tsk_[A-Za-z0-9_-]{43}")
_SHARE_SECRET: Final = re.compile(r"tss_[A-Za-z0-9_-]{43}")


def is_key_secret(text: str) -> bool:
    """Whether `text` has the form of an API key's secret."""
    return _KEY_SECRET.fullmatch(text) is not None


def is_share_secret(text: str) -> bool:
    """Whether `text` has the form of a share's secret."""
    return _SHARE_SECRET.fullmatch(text) is not None


def sha256_of(secret: str) -> str:
    """The stored hash of a secret. A secret has too many bits to be guessed from it, so no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()

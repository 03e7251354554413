"""Pseudonyms of end users, under which numbers are counted that are kept for longer than the traces.

A pseudonym is an HMAC with a key of the deployment. With the name of an end user and the key, a reader finds its
numbers; the numbers alone do not give the name.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Final, TypeAlias

from .dimensions import OTHER

Pseudonym: TypeAlias = Callable[[str], str]
"""The function that returns the pseudonym of an end user."""

_PREFIX: Final = "hmac:"
_DIGITS: Final = 16
_FORM: Final = re.compile(rf"{_PREFIX}[0-9a-f]{{{_DIGITS}}}")


def pseudonym_of(key: bytes, end_user_id: str) -> str:
    """The pseudonym of an end user. *absent*: what names no end user, empty or `OTHER`, stays as it is."""
    if end_user_id in ("", OTHER):
        return end_user_id
    return _PREFIX + hmac.digest(key, end_user_id.encode(), hashlib.sha256).hex()[:_DIGITS]


def is_pseudonym(value: str) -> bool:
    """Whether a value has the form of a pseudonym."""
    return _FORM.fullmatch(value) is not None

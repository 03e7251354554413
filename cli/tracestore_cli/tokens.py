"""JWTs that the local server accepts: HS256 with a secret that is generated once and stored in the data directory."""

import os
import re
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jwt

ISSUER = "https://tracestore.local"
AUDIENCE = "tracestore"
TEAMS_CLAIM = "groups"
SECRET_FILE = "jwt-secret"
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def local_secret(data_dir: Path) -> str:
    """The secret of the local server whose data is in `data_dir`. Only the file's owner may read it.

    *absent*: it is generated. *repeat*: the same secret for as long as the directory exists.
    """
    path = data_dir / SECRET_FILE
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
    except FileExistsError:
        pass
    return path.read_text()


def token(
    user: str,
    secret: str,
    expires_in_s: int = 86400,
    teams: Sequence[str] = (),
    *,
    issuer: str = ISSUER,
    audience: str = AUDIENCE,
    owner_claim: str = "sub",
    teams_claim: str = TEAMS_CLAIM,
) -> str:
    """A JWT that identifies `user`, who may act for `teams`, to a deployment with this secret, issuer and claims."""
    now = int(time.time())
    claims: dict[str, Any] = {"sub": user, owner_claim: user, "iss": issuer, "aud": audience}
    claims |= {"iat": now, "exp": now + expires_in_s}
    if teams:
        claims[teams_claim] = list(teams)
    return jwt.encode(claims, secret, algorithm="HS256")


def duration_s(text: str) -> int:
    """The seconds in `90s`, `15m`, `12h` or `1d`. *raises*: ValueError for any other text."""
    match = re.fullmatch(r"([1-9]\d{0,8})([smhd])", text)
    if match is None:
        raise ValueError("must be a whole number and s, m, h or d, such as 12h")
    return int(match[1]) * _UNITS_S[match[2]]

"""AWS Signature Version 4 for the only kind of request here: a POST to `/` with a JSON body.

*source*: AWS Identity and Access Management User Guide, "Create a signed AWS API request".
"""

import hmac
import time
from functools import lru_cache
from hashlib import sha256
from typing import Final

from .aws_credentials import Credentials

ALGORITHM: Final = "AWS4-HMAC-SHA256"


def signed_headers(
    headers: dict[str, str], body: bytes, credentials: Credentials, *, region: str, service: str, now_s: float
) -> dict[str, str]:
    """The headers of the request and those that sign them. `headers` has lower-case names, `host` among them."""
    timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    to_sign = {**headers, "x-amz-date": timestamp}
    if credentials.session_token:
        to_sign["x-amz-security-token"] = credentials.session_token
    names = sorted(to_sign)
    signed_names = ";".join(names)
    canonical_headers = "".join(f"{name}:{to_sign[name]}\n" for name in names)
    canonical = f"POST\n/\n\n{canonical_headers}\n{signed_names}\n{sha256(body).hexdigest()}"
    scope = f"{timestamp[:8]}/{region}/{service}/aws4_request"
    text = f"{ALGORITHM}\n{timestamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    signature = _keyed(_key(credentials.secret_access_key, timestamp[:8], region, service), text).hex()
    to_sign["authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={signed_names}, Signature={signature}"
    )
    return to_sign


@lru_cache(maxsize=128)  # one a day and role; with strict isolation each user has a role session of their own
def _key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = _keyed(key, part)
    return key


def _keyed(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")

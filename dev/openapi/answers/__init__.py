"""The schemas of responses, by name. They are the fields that the modules `*_json.py` of `api/` return.

The integration tests validate every response of the real handlers against these schemas, without further fields.
"""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers import account, analytics, annotations, deletions, lessons, protocols, traces
from dev.openapi.schemas import Schema

COMPONENTS: Final[Mapping[str, Schema]] = {
    **protocols.COMPONENTS,
    **traces.COMPONENTS,
    **annotations.COMPONENTS,
    **deletions.COMPONENTS,
    **lessons.COMPONENTS,
    **analytics.COMPONENTS,
    **account.COMPONENTS,
}

"""Cursors of lists. A cursor is bound to its owner, its route and the parameters that all pages of the list share.

Only this module signs and verifies cursors.
"""

import json
from collections.abc import Callable
from typing import Final

from tracestore.storage.cursor import sign, verify

from .identity import Identity
from .request import Request
from .wiring import cursor_secret

_NOT_BOUND: Final = ("limit", "cursor")
"""Pages of one list may differ in size."""


class ListCursor:
    """The cursors of the list that a request selects.

    `path_id` is the id in the route's path, for a list of one resource. `not_bound` names further parameters that may
    differ between the pages of one list. `secret` returns the key that signs cursors.
    """

    def __init__(
        self,
        request: Request,
        caller: Identity,
        *,
        path_id: str = "",
        not_bound: tuple[str, ...] = (),
        secret: Callable[[], bytes] = cursor_secret,
    ) -> None:
        names = sorted(set(request.query) - {*_NOT_BOUND, *not_bound})
        self._list = request.route + path_id + json.dumps({name: _sent(request, name) for name in names})
        self._owner_id = caller.owner_id
        self._cursor = request.query.get("cursor")
        self._secret = secret

    def position(self) -> str | None:
        """The position that the request's cursor contains.

        *absent*: None without a cursor. *raises*: Invalid when the cursor belongs to another list or owner.
        """
        if self._cursor is None:
            return None
        return verify(self._secret(), self._owner_id, self._list, self._cursor)

    def next(self, position: str | None) -> str | None:
        """The cursor of the page after `position`. *absent*: None, at the end of the list."""
        return None if position is None else sign(self._secret(), self._owner_id, self._list, position)


def _sent(request: Request, name: str) -> str | list[str]:
    """The values of a parameter: one as it is, several as a list."""
    several = request.query.all(name)
    return several if len(several) > 1 else several[0]

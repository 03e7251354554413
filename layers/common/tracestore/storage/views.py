"""Saved views in the table: a query string and a title under a name that the user chooses."""

from dataclasses import replace
from typing import Final

from tracestore.domain.errors import Conflict, NotFound

from . import keys
from .model import Item, View
from .pending_deletions import FAR_FUTURE_S
from .segments import expiry, key
from .store import Scope

VIEWS_PER_USER: Final = 200
"""One Query reads them all, so there is no paging in the API."""


def list_views(scope: Scope) -> list[View]:
    return [_view_from(item) for item in scope.table.query(keys.user_views(scope.user_id))]


def put_view(scope: Scope, name: str, title: str, query: str) -> View:
    def attempt() -> View:
        item = scope.table.get(keys.user_views(scope.user_id), name)
        now_ms = scope.now_ms()
        if item is None:
            if len(list_views(scope)) >= VIEWS_PER_USER:
                raise Conflict(f"You have {VIEWS_PER_USER} saved views, the maximum. Delete one first.")
            view = View(name, title, query, now_ms, now_ms)
            scope.table.put(view_item(scope.user_id, view), None)
            return view
        stored = _view_from(item)
        if (stored.title, stored.query) == (title, query):
            return stored
        view = replace(stored, title=title, query=query, updated_ms=now_ms, version=stored.version + 1)
        scope.table.put(view_item(scope.user_id, view), stored.version)
        return view

    return scope.deadline.retry(attempt)


def delete_view(scope: Scope, name: str) -> None:
    pk = keys.user_views(scope.user_id)
    if scope.table.get(pk, name) is None:
        raise NotFound("There is no such view among yours.")
    scope.table.delete(pk, name)


def view_item(user_id: str, view: View) -> Item:
    """The view as an item.

    Names have only characters that need no encoding. An empty query is left out: older engines refuse empty strings.
    """
    return {
        **key(keys.user_views(user_id), view.name),
        "v": {"N": str(view.version)},
        **expiry(FAR_FUTURE_S),
        "title": {"S": view.title},
        **({"query": {"S": view.query}} if view.query else {}),
        "created_ms": {"N": str(view.created_ms)},
        "updated_ms": {"N": str(view.updated_ms)},
    }


def _view_from(item: Item) -> View:
    return View(
        name=item["sk"]["S"],
        title=item["title"]["S"],
        query=item["query"]["S"] if "query" in item else "",
        created_ms=int(item["created_ms"]["N"]),
        updated_ms=int(item["updated_ms"]["N"]),
        version=int(item["v"]["N"]),
    )

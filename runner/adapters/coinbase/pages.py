"""
Lists that come in pages, each behind the cursor of the one before (coinbase_api 2.6, 2.13, 2.14).

A page may change between two calls, so a row can come twice: the callers keep one of each id. A list that does not
come to its end is an error, never a shorter list (L8).
"""

from collections.abc import Callable, Sequence

from runner.adapters.coinbase import fields
from runner.adapters.coinbase.fields import BadField, Row

Params = Sequence[tuple[str, str]]
Get = Callable[[str, Params], object]

PAGES_MAX = 100

_CURSOR_MAX = 2000


def listed(get: Get, path: str, params: Params, *, name: str, id_field: str) -> Sequence[Row]:
    """
    Return all rows of a list that says by `has_next` whether there are more.

    `name` is the field that holds the rows, `id_field` tells them apart.

    Raises:
        BadField: A page is unreadable, or leads nowhere.
    """
    rows: list[Row] = []
    seen: dict[str, None] = {}
    cursor = ""
    for _ in range(PAGES_MAX):
        page = _page(get, path, params, cursor)
        has_news = _add(page, rows, seen, name, id_field)
        following = _cursor(page)
        has_next = fields.flag_or_none(page, "has_next")
        if has_next is False or (has_next is None and not following):
            return rows
        if not following or following == cursor or not has_news:
            raise BadField("cursor", "the way to the next page", following)
        cursor = following
    raise BadField(name, f"at most {PAGES_MAX} pages", "more")


def followed(get: Get, path: str, params: Params, *, name: str, id_field: str, limit: int) -> Sequence[Row]:
    """
    Return all rows of a list that does not say whether there are more: asked until a page has nothing new.

    A page of fewer than `limit` rows may be the last, or the server may give fewer than asked: where it names a
    cursor we look, and take a page that leads back for the end. Behind a full page that is an error.

    Raises:
        BadField: A page is unreadable, or a full page leads nowhere.
    """
    rows: list[Row] = []
    seen: dict[str, None] = {}
    cursor = ""
    was_full = False
    for _ in range(PAGES_MAX):
        page = _page(get, path, params, cursor)
        count_before = len(rows)
        has_news = _add(page, rows, seen, name, id_field)
        count = len(rows) - count_before
        following = _cursor(page)
        if not count or not following:
            return rows
        is_full = count >= limit
        if not has_news or following == cursor:
            if was_full or is_full:
                raise BadField("cursor", "the way to the next page", following)
            return rows
        cursor, was_full = following, is_full
    raise BadField(name, f"at most {PAGES_MAX} pages", "more")


def _page(get: Get, path: str, params: Params, cursor: str) -> Row:
    return fields.row_of(get(path, [*params, ("cursor", cursor)] if cursor else params), "answer")


def _add(page: Row, rows: list[Row], seen: dict[str, None], name: str, id_field: str) -> bool:
    """Take a page's rows; return whether one of them is new."""
    known = len(seen)
    for item in fields.items(page, name):
        row = fields.row_of(item, f"{name}[]")
        seen[fields.text(row, id_field)] = None
        rows.append(row)
    return len(seen) > known


def _cursor(page: Row) -> str:
    """Return the cursor, "" for none. It is the server's own text and may be long."""
    value = page.get("cursor")
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _CURSOR_MAX or not value.isprintable():
        raise BadField("cursor", "a text", value)
    return value

"""Owners of stored data: users, and the teams that users act for.

The id of an owner is one text, of which keys, cursors and span ids are made. A user's id is the owner claim of the
user's token. A team's id begins with a prefix that no user's id may have, so the two are never equal.
"""

from typing import Final

TEAM_PREFIX: Final = "@team:"
"""Identity providers do not issue such ids: a `sub` with a colon is a URI, and no URI begins with `@`.

*source*: RFC 7519, section 4.1.2 (`sub` is a StringOrURI); RFC 3986, section 3.1.
"""

MAX_NAME_CHARACTERS: Final = 256
"""Longest name of a user or a team."""


def is_name(claim: object) -> bool:
    """Whether the value of a claim can name a user or a team. JSON can contain half of a surrogate pair."""
    if not isinstance(claim, str) or not claim.strip() or len(claim) > MAX_NAME_CHARACTERS:
        return False
    try:
        claim.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_reserved(user_id: str) -> bool:
    """Whether a user may not have this id, because a team has it or could have it."""
    return user_id.startswith(TEAM_PREFIX)


def team_id(team: str) -> str:
    """The id of the team with this name."""
    return TEAM_PREFIX + team


def team_of(owner_id: str) -> str | None:
    """The name of the team with this id. *absent*: None for a user's id."""
    return owner_id.removeprefix(TEAM_PREFIX) if is_reserved(owner_id) else None

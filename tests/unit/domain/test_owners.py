"""Ids of owners: a user and a team never have the same, whatever their names are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracestore.domain.owners import MAX_NAME_CHARACTERS, TEAM_PREFIX, is_name, is_reserved, team_id, team_of

NAMES = st.text(min_size=1, max_size=300).filter(is_name)


@given(NAMES, NAMES)
def test_the_id_of_a_team_is_the_id_of_no_user_and_of_no_other_team(team: str, other: str) -> None:
    assert is_reserved(team_id(team))
    assert team_of(team_id(team)) == team
    assert (team_id(team) == team_id(other)) == (team == other)
    assert is_reserved(other) or (team_of(other) is None and other != team_id(team))


@given(st.sampled_from(["", "@", "@team", " @team:", "@Team:", "＠team:", "@team;"]), NAMES)
def test_ids_that_only_resemble_a_teams_are_those_of_users(prefix: str, name: str) -> None:
    assert is_reserved(prefix + name) == (prefix + name).startswith(TEAM_PREFIX)


@pytest.mark.parametrize("name", ["a", "org_2x", "Forschung Süd", "[a b]", "a,b", "@team:a", "a" * MAX_NAME_CHARACTERS])
def test_any_text_of_up_to_256_characters_is_a_name(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("claim", [None, "", " ", "\t\n", 7, True, ["a"], {"a": 1}, "a" * 257, "\ud800"])
def test_anything_else_is_no_name(claim: object) -> None:
    assert not is_name(claim)

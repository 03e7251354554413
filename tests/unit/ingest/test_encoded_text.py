"""Codes are looked for by a fixed text of each form first."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracestore.ingest.encoded_text import CODE_FORMS


@pytest.mark.parametrize(("mark", "pattern"), CODE_FORMS, ids=[mark for mark, _ in CODE_FORMS])
@given(data=st.data())
def test_each_code_contains_the_fixed_text_of_its_form(mark: str, pattern: str, data: Any) -> None:
    assert mark in data.draw(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True))

"""Messages as they are compared."""

from hypothesis import given
from hypothesis import strategies as st

from tracestore.domain.message_texts import without_white_space


@given(st.text(st.sampled_from(sorted({chr(code) for code in range(0x3001) if chr(code).isspace()} | {"a", "é", "0"}))))
def test_all_white_space_is_left_out(text: str) -> None:
    assert without_white_space(text) == "".join(character for character in text if not character.isspace())

"""The tables of a constant dictionary are made from samples, and make small values smaller."""

from itertools import islice

from backports import zstd

from dev.dictionary import samples, tables
from tracestore.storage.dictionaries import FIELD_NAMES_03


def test_tables_make_small_values_smaller_than_text_alone() -> None:
    values = list(islice(samples(), 120))
    made = tables(FIELD_NAMES_03, values[:80])
    with_tables = zstd.ZstdDict(made + FIELD_NAMES_03)
    text_alone = zstd.ZstdDict(FIELD_NAMES_03, is_raw=True)
    assert 100 < len(made) < 300
    assert _size(values[80:], with_tables) < 0.97 * _size(values[80:], text_alone)


def _size(values: list[bytes], dictionary: zstd.ZstdDict) -> int:
    return sum(len(zstd.compress(value, zstd_dict=dictionary)) for value in values)

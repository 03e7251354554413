"""The dimensions by which calls and failures are counted, each declared once and named as in the API and on spans.

Groups, kinds of failure, `group_by`, filters, anomalies and the limits of counters all read them from here. The
dimensions of `Series` and the status are crossed: counters keep apart each combination. Marginals are counted by
themselves, so that they cannot fill the groups of a counter.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from .spans import INFERENCE_OPERATIONS

DIMENSION_CHARACTERS: Final = 128
"""Values are cut here: they are stored in every counter that their trace changes."""

OTHER: Final = "other"
"""The value in place of all values beyond those that a head or a counter keeps."""


class Series(NamedTuple):
    """The dimensions of every call. A value is empty where the span has none.

    The order is the order in stored rows, so it never changes.
    """

    operation_type: str
    model_provider: str
    model_name: str

    @property
    def is_inference(self) -> bool:
        """Whether these are calls of a model."""
        return self.operation_type in INFERENCE_OPERATIONS

    @property
    def is_other(self) -> bool:
        """Whether it stands for series that were counted together, for want of room."""
        return all(value == OTHER for value in self[1:])


def other_series(operation_type: str = OTHER) -> Series:
    """The series that calls of this operation are counted under where there is no room for their own."""
    return Series(operation_type, *[OTHER] * (len(Series._fields) - 1))


def cut(value: object) -> str:
    """A value as it is counted: its first `DIMENSION_CHARACTERS` characters."""
    return str(value)[:DIMENSION_CHARACTERS]


class Group(NamedTuple):
    """A group of calls: their series and their status."""

    series: Series
    status: str


class FailureKind(NamedTuple):
    """A kind of failure: its series and its error type."""

    series: Series
    error_type: str

    @property
    def values(self) -> tuple[str, ...]:
        """All of its values, in their stored order."""
        return (*self.series, self.error_type)


OTHER_FAILURES: Final = FailureKind(other_series(), OTHER)
"""The kind of failures for which a counter has no room."""

END_USER: Final = "end_user_id"
"""The marginal whose values are people: counters keep pseudonyms of them."""

MARGINALS: Final = ("service_name", END_USER, "tool_name", "environment", "prompt_version")
"""The fields of spans that are counted by themselves. A new one goes to the end: heads and stored stats list them in
this order, and a head that was stored before has fewer."""

OF_ANY_OPERATION: Final = frozenset({"tool_name"})
"""The marginals whose calls are spans of any operation that have the field, not only model calls."""

FILTERS: Final = Series._fields
"""The dimensions that analytics filter by."""

CROSSED: Final = (*Series._fields, "status")
"""The dimensions by which calls can be grouped and filtered at once."""

GROUPINGS: Final = (*CROSSED, *MARGINALS)
"""All dimensions by which calls can be grouped."""


def value_of(dimension: str) -> Callable[[Group], str]:
    """The function that returns a group's value of one of `CROSSED`."""
    if dimension == "status":
        return lambda group: group.status
    index = Series._fields.index(dimension)
    return lambda group: group.series[index]

"""The rows of an outline: for each span, what its readers would otherwise have to derive from the whole trace."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from .attempts import Outcome, spending_of
from .critical_path import critical_path
from .merge import Span
from .reported_usage import total_tokens
from .tree import Node, parent_indexes, tree_order
from .usage import Charge


class Attempt(NamedTuple):
    """The place of a span among the attempts of one call. `group` is the span id of the first, `number` starts at 1."""

    group: str
    number: int
    outcome: Outcome | None


@dataclass(slots=True)
class Subtree:
    """The sums over a span and all spans below it. Tokens and cost count once, however many spans repeat them.

    `cost_nano_usd` is None while no span has a cost.
    """

    spans: int = 1
    errors: int = 0
    tokens: int = 0
    cost_nano_usd: int | None = None

    def add(self, other: "Subtree") -> None:
        """Add the subtree of a child in place."""
        self.spans += other.spans
        self.errors += other.errors
        self.tokens += other.tokens
        if other.cost_nano_usd is not None:
            self.cost_nano_usd = (self.cost_nano_usd or 0) + other.cost_nano_usd


@dataclass(frozen=True, slots=True)
class OutlineRow:
    """A span in its trace. It `is_wasted` if its charge was spent in vain."""

    node: Node
    charge: Charge
    is_wasted: bool
    is_critical: bool
    subtree: Subtree
    attempt: Attempt | None

    @property
    def span(self) -> Span:
        """The span itself."""
        return self.node.span

    @property
    def is_counted(self) -> bool:
        """Whether the tokens or the cost of the span count. They do not if the span repeats those of others."""
        return self.charge.counts_tokens or self.charge.cost_nano_usd is not None

    @property
    def not_counted(self) -> Literal["tokens", "cost"] | None:
        """The one that the span has and that does not count, although the other does. *absent*: None."""
        if self.charge.counts_tokens and self.charge.cost_nano_usd is None and self.span.cost.nano_usd is not None:
            return "cost"
        has_tokens = total_tokens(self.span.fields) is not None
        return "tokens" if self.is_counted and not self.charge.counts_tokens and has_tokens else None


def outline_rows(spans: Sequence[Span], root_span_id: str) -> list[OutlineRow]:
    """The rows of a trace, in tree order. A failure of the span `root_span_id` wastes the whole trace."""
    nodes = tree_order(spans)
    is_trace_failed = any(span.span_id == root_span_id and span.status == "error" for span in spans)
    charges, groups, wasted = spending_of(nodes, is_trace_failed=is_trace_failed)
    critical = critical_path(nodes)
    attempts: dict[int, Attempt] = {}
    for group in groups:
        first = nodes[group.indexes[0]].span.span_id
        for number, (index, outcome) in enumerate(zip(group.indexes, group.outcomes, strict=True), 1):
            attempts[index] = Attempt(first, number, outcome)
    subtrees = _subtrees(nodes, charges)
    return [
        OutlineRow(node, charges[index], wasted[index], critical[index], subtrees[index], attempts.get(index))
        for index, node in enumerate(nodes)
    ]


def _subtrees(nodes: Sequence[Node], charges: Sequence[Charge]) -> list[Subtree]:
    """The sums of each span, from the leaves up."""
    subtrees = [
        Subtree(
            errors=int(node.span.status == "error"),
            tokens=(total_tokens(node.span.fields) or 0) if charge.counts_tokens else 0,
            cost_nano_usd=charge.cost_nano_usd,
        )
        for node, charge in zip(nodes, charges, strict=True)
    ]
    parents = parent_indexes(nodes)
    for index in range(len(nodes) - 1, -1, -1):
        if (parent := parents[index]) is not None:
            subtrees[parent].add(subtrees[index])
    return subtrees

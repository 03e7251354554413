"""The built page for tests."""

from dev import page_files
from dev.node import Node, NodeUnavailable
from tests import node


def prepared() -> Node:
    """The Node that checks the page. *absent*: where Node cannot run, the test is skipped; under CI it fails."""
    try:
        return page_files.prepared()
    except NodeUnavailable as reason:
        node.unavailable(reason)


def build() -> None:
    """Build the page, if it is not built from the present sources. *absent*: as for `prepared`."""
    prepared()
    page_files.build()

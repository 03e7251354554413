"""Tables of outcomes: the attributes with errors and levels, and the words that do or do not mean a failure."""

from typing import Final

EXIT_CODES: Final = ("process.exit.code",)
"""Attributes with the exit code of the command that a span ran."""

ERROR_TYPES: Final = ("error.type", "gen_ai.error.type", "exception.type")
ERROR_MESSAGES: Final = ("error.message", "langfuse.observation.status_message", "exception.message")
LEVELS: Final = ("langfuse.observation.level", "langfuse.level")
ERROR_LEVELS: Final = ("ERROR", "error", "Error")
"""The values of the `LEVELS` attributes that mean the span failed."""

GENERIC_ERRORS: Final = frozenset({"Exception", "Error", "BaseException", "_OTHER", "error", "unknown"})
"""Error types that state only that an error occurred, as bare HTTP status codes do."""

CONTROL_FLOW: Final = (
    r"(?:\w*[a-z])?(?:interrupt|interruption|suspend|suspended|paused?)(?:error|exception)?|interrupted(?:exception)?"
    r"|\w*(?:call|tool|run)_?deferred\w*|deferred_?(?:call|tool|run)\w*|graph_?bubble_?up|parent_?command"
    r"|\w*approval_?(?:required|requested|needed|pending)\w*|\w*(?:requires?|needs?|awaiting|pending)_?approval\w*"
    r"|\w*human_?(?:input|feedback|review|interaction)_?(?:required|requested|needed|pending)\w*"
    r"|\w*waiting_?for_?(?:approval|event|human|input|user)\w*|(?:\w*[a-z])?cancell?ed(?:error|exception)?|cancell?ation\w*"
    r"|abort(?:ed)?(?:error|exception)?|499|generatorexit|\w+[a-z]interrupted(?:exception)?|\w*human_?in_?the_?loop\w*"
    r"|\w*(?:confirmation|elicitation)_?(?:required|requested|needed|pending)\w*"
    r"|\w*(?:requires?|needs?|awaiting|pending)_?(?:user_?|human_?)?confirmation\w*"
    r"|\w*(?:needs|awaiting|pending)_?(?:user_?|human_?)?input\w*"
)
"""Types of exceptions that do not mean a failure, by the last part of their names: a framework waits for a person, goes
on in its graph, or the caller cancelled the work."""

INTERRUPTED_REASONS: Final = frozenset({"cancelled", "canceled", "interrupted", "aborted", "abort"})
"""Finish reasons of answers that were cut off."""

FAILED_REASONS: Final = frozenset({"error", "failed"})
"""Finish reasons of answers that failed, which some clients report without an error status."""

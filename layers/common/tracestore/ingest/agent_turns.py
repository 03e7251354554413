"""Name the trace of a turn of a coding agent: one prompt, with everything that the agent did to answer it.

Records outside of any span, and spans of an agent that gives each call a trace of its own, name the session and often
the prompt. The trace id follows from these alone, so that spans and records find the same trace, in any order.
"""

import hashlib
import re
from typing import Final

from tracestore.domain.spans import Json

from .agent_tables import PROMPT_IN_ARGUMENTS, PROMPTS, ROUND_OF_SUBAGENT, SESSIONS
from .otlp import Attributes

_ROUND: Final = re.compile(ROUND_OF_SUBAGENT)
_TRACE_ID_DIGITS = 32
_SPAN_ID_DIGITS = 16


def session_of(attributes: Attributes, resource: Attributes) -> str | None:
    """The id of the session that a span or a record belongs to. *absent*: None."""
    return next((str(source[name]) for source in (attributes, resource) for name in SESSIONS if source.get(name)), None)


def turn_trace(session: str, attributes: Attributes, resource: Attributes) -> str:
    """The trace id of the turn that these attributes of a span or a record belong to.

    A resumed session may repeat its prompt ids in another process, so the process is part of the turn. A prompt id that
    repeats the session's says nothing. A process that is started for one prompt has no other; where it resumes a
    session, its spans and its records may name different ones. The calls of a sub agent, which number its prompt id,
    are one turn.
    """
    prompt = _ROUND.sub("", next((str(attributes[name]) for name in PROMPTS if attributes.get(name)), ""))
    if has_one_prompt(resource):
        prompt, session = "", session_of(resource, resource) or session
    elif prompt == session:
        prompt = ""
    return digits_of("turn", session, prompt, resource.get("process.pid"), length=_TRACE_ID_DIGITS)


def turn_span(trace_id: str) -> str:
    """The id of the root span of a turn that no span was sent for."""
    return digits_of("root", trace_id)


def has_one_prompt(resource: Attributes) -> bool:
    """Whether the agent's process was started for a single prompt."""
    arguments = resource.get("process.command_args")
    return isinstance(arguments, list) and any(
        isinstance(argument, str) and argument.partition("=")[0] in PROMPT_IN_ARGUMENTS for argument in arguments
    )


def digits_of(*parts: Json, length: int = _SPAN_ID_DIGITS) -> str:
    """An id in hexadecimal that follows from these parts."""
    text = "\0".join("" if part is None else str(part) for part in parts)
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=length // 2).hexdigest()

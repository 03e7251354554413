"""Which words providers and frameworks have for the same things, in the messages that they report.

Data only: `messages` reads it. A new shape is a word in a table.
*source*: OpenTelemetry GenAI message schemas, OpenInference, OpenAI (chat and responses), Anthropic, Bedrock Converse,
Gemini, Vercel AI SDK, and what LangChain and LlamaIndex serialise.
"""

from typing import Final


def _named(table: dict[str, str]) -> dict[str, str]:
    return {word: name for name, words in table.items() for word in words.split()}


ROLES: Final = _named(
    {
        "system": "system SystemMessage SystemMessageChunk",
        "developer": "developer",
        "user": "user human HumanMessage HumanMessageChunk",
        "assistant": "assistant ai model bot AIMessage AIMessageChunk",
        "tool": "tool function ToolMessage ToolMessageChunk FunctionMessage tool_result",
    }
)
"""A message's role, by the word that stands for it. Any other word stays as it is."""

ROLE_FIELDS: Final = ("role", "type")

PART_TYPES: Final = _named(
    {
        "text": "text input_text output_text plain_text refusal",
        "reasoning": "reasoning thinking reasoning_text summary_text redacted_thinking thought",
        "tool_call": "tool_call tool-call tool_use function function_call toolUse toolCall server_tool_use "
        "server_tool_call custom_tool_call mcp_call functionCall",
        "tool_result": "tool_call_response tool-result tool_result toolResult function_call_output function_response "
        "functionResponse custom_tool_call_output tool_response server_tool_call_response tool-error",
        "media": "media image image_url image-url input_image audio input_audio video document file input_file "
        "file-url image-data blob uri file_data inline_data inlineData fileData",
    }
)
"""What a part of a message is, by its `type`, or by the only key of an object without one: `{"toolUse": {…}}`."""

TYPELESS: Final = ("toolUse", "toolResult", "functionCall", "function_call", "functionResponse", "function_response")
TYPELESS_MEDIA: Final = ("inlineData", "inline_data", "fileData", "file_data", "image", "document", "video", "audio")
TYPELESS_REASONING: Final = ("reasoningContent", "thinking", "reasoning")
"""Keys that say what a part without a `type` is. Beside them may stand what does not: an id, a signature."""

WRAPPERS: Final = ("message", "message_content", "tool_call", "prompt", "completion")
"""Keys that a numbered attribute has between its number and what it tells: `llm.input_messages.0.message.role`."""

PART_FIELDS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "text": {"text": ("text", "content", "refusal", "value")},
    "reasoning": {"text": ("text", "content", "thinking", "reasoning", "reasoningText", "summary", "data")},
    "tool_call": {
        "id": ("call_id", "tool_call_id", "toolCallId", "tool_use_id", "toolUseId", "id"),
        "name": ("name", "toolName", "tool_name"),
        "arguments": ("arguments", "args", "input", "parameters"),
    },
    "tool_result": {
        "id": ("call_id", "tool_call_id", "toolCallId", "tool_use_id", "toolUseId", "id"),
        "name": ("name", "toolName", "tool_name"),
        "result": ("response", "result", "output", "content", "error"),
    },
    "media": {
        "mime_type": ("mime_type", "mimeType", "media_type", "mediaType", "format"),
        "data": (
            *("data", "url", "image_url", "uri", "file_uri", "fileUri", "bytes", "content", "image", "file", "file_id"),
            *("input_audio", "source", "audio", "video", "document"),
        ),
        "name": ("name", "filename", "file_name"),
    },
}
"""The contract's keys of a part, each with the names it is found under, the first that is there."""

MESSAGE_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "role": ROLE_FIELDS,
    "reasoning": ("reasoning_content", "reasoning", "thinking", "reasoningText"),
    "content": ("parts", "content", "contents", "blocks", "text"),
    "tool_calls": ("tool_calls", "toolCalls", "function_call"),
    "object": ("object",),
    "files": ("files",),
}
"""What a message consists of, each with the names it is found under, the first that says something."""

SYSTEM_FIELDS: Final = ("system", "instructions", "system_instruction", "systemInstruction", "system_prompt")
"""Where a request keeps instructions that stand apart from its messages."""

LIST_FIELDS: Final = ("messages", "contents", "choices", "candidates", "generations", "output", "input")
"""Where a request or an answer keeps its list of messages."""

HOLDER_FIELDS: Final = ("message", "inputs", "outputs", "output", "update", "response", "content")
"""Where something that is no message itself keeps one, or the object with the list of them."""

ITEM_ROLES: Final = {
    "function_call": "assistant",
    "reasoning": "assistant",
    "custom_tool_call": "assistant",
    "mcp_call": "assistant",
    "function_call_output": "tool",
    "custom_tool_call_output": "tool",
}
"""Items of OpenAI's responses that are parts but stand among messages, with the role they speak in."""

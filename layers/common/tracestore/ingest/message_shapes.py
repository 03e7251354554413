"""The names that providers and frameworks use for the same things in the messages that they report.

Data only: `messages` reads it. A new message shape is an entry in a table.
*source*: OpenTelemetry GenAI message schemas, OpenInference, OpenAI (chat and responses), Anthropic, Bedrock Converse,
Gemini, Vercel AI SDK, and the serialized classes of LangChain and LlamaIndex.
"""

from typing import Final


def _named(table: dict[str, str]) -> dict[str, str]:
    return {word: name for name, words in table.items() for word in words.split()}


ROLES: Final = _named(
    {
        "system": "system SystemMessage SystemMessageChunk",
        "developer": "developer",
        "user": "user human HumanMessage HumanMessageChunk",
        "assistant": "assistant ai model bot AIMessage AIMessageChunk tool-call",
        "tool": "tool function ToolMessage ToolMessageChunk FunctionMessage tool_result tool-response",
    }
)
"""Roles by the words that clients use for them. Any other word stays as it is."""

ROLE_FIELDS: Final = ("role", "type")

PART_TYPES: Final = _named(
    {
        "text": "text input_text output_text plain_text refusal",
        "reasoning": "reasoning thinking reasoning_text summary_text redacted_thinking thought reasoningBlock",
        "tool_call": "tool_call tool-call tool_use function function_call toolUse toolCall server_tool_use "
        "server_tool_call custom_tool_call mcp_call functionCall toolRequest",
        "tool_result": "tool_call_response tool-result tool_result toolResult function_call_output function_response "
        "functionResponse custom_tool_call_output tool_response server_tool_call_response tool-error toolResponse "
        "tool_call_result",
        "media": "media image image_url image-url input_image audio input_audio video document file input_file "
        "file-url image-data blob uri file_data inline_data inlineData fileData",
    }
)
"""Kinds of message parts by `type`, or by the only key of an object without a `type`: `{"toolUse": {…}}`."""

TYPELESS: Final = (
    *("toolUse", "toolResult", "functionCall", "function_call", "functionResponse", "function_response"),
    *("toolRequest", "toolResponse", "tool_call_result"),
)
TYPELESS_MEDIA: Final = (
    "media",
    "inlineData",
    "inline_data",
    "fileData",
    "file_data",
    "image",
    "document",
    "video",
    "audio",
)
TYPELESS_REASONING: Final = ("reasoningContent", "thinking", "reasoning")
"""Keys that identify a part without a `type`. The part may have other keys, such as an id or a signature."""

PART_SUFFIXES: Final = {
    "_tool_use": "tool_call",
    "_tool_result": "tool_result",
    "_call_output": "tool_result",
    "_call_result": "tool_result",
    "_call": "tool_call",
}
"""Kinds of message parts by the end of their `type`, for tools that a provider runs: `web_search_tool_result`."""

ITEM_SUFFIXES: Final = {
    "_call_output": "tool",
    "_call": "assistant",
    "mcp_list_tools": "assistant",
    "mcp_approval_request": "assistant",
    "mcp_approval_response": "user",
    "compaction": "assistant",
    "item_reference": "assistant",
}
"""Roles of items of OpenAI's responses by the end of their `type`."""

WRAPPERS: Final = frozenset({"message", "message_content", "tool_call", "prompt", "completion"})
"""Keys between the number and the field in a numbered attribute, as in `llm.input_messages.0.message.role`.

A block of a tool call has two: its kind is in `message_content`, its name and its arguments are in `tool_call`."""

PART_FIELDS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "text": {"text": ("text", "content", "refusal", "value")},
    "reasoning": {"text": ("text", "content", "thinking", "reasoning", "reasoningText", "summary", "data")},
    "tool_call": {
        "id": ("call_id", "tool_call_id", "toolCallId", "tool_use_id", "toolUseId", "id", "ref"),
        "name": ("name", "toolName", "tool_name"),
        "arguments": ("arguments", "args", "input", "parameters", "tool_kwargs", "action", "code", "queries"),
    },
    "tool_result": {
        "id": ("call_id", "tool_call_id", "toolCallId", "tool_use_id", "toolUseId", "id", "ref"),
        "name": ("name", "toolName", "tool_name"),
        "result": ("response", "result", "output", "content", "error"),
    },
    "media": {
        "mime_type": ("mime_type", "mimeType", "media_type", "mediaType", "contentType", "format"),
        "data": (
            *("data", "url", "image_url", "uri", "file_uri", "fileUri", "bytes", "content", "image", "file", "file_id"),
            *("input_audio", "source", "audio", "video", "document"),
        ),
        "name": ("name", "filename", "file_name"),
    },
}
"""The fields of a part in the chat form (`docs/api.md`, "POST /v1/traces"), each with the names that clients use.

The first name present counts.
"""

MESSAGE_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "role": ROLE_FIELDS,
    "reasoning": ("reasoning_content", "reasoning", "thinking", "reasoningText"),
    "content": ("parts", "contents", "content", "blocks", "text", "refusal"),
    "tool_calls": ("tool_calls", "toolCalls", "function_call", "function_calls"),
    "object": ("object",),
    "files": ("files",),
}
"""The fields of a message, each with the names that clients use; the first name with a value counts."""

SYSTEM_FIELDS: Final = ("system", "instructions", "system_instruction", "systemInstruction", "system_prompt")
"""Keys of a request with instructions that are separate from its messages."""

LIST_FIELDS: Final = (
    *("messages", "contents", "choices", "candidates", "generations", "replies", "output", "input", "items"),
)
"""Keys of a request or a response with its list of messages."""

TEXT_FIELDS: Final = ("messages", "replies")
"""Those of them whose messages may be texts alone."""

RESULT_FIELDS: Final = frozenset({"toolCalls", "toolResults", "finishReason", "files", "sources", "warnings"})
"""Keys next to the `text` of an answer without a role: the results of the Vercel AI SDK, and of what builds on it."""

CONTAINER_FIELDS: Final = ("message", "inputs", "outputs", "output", "update", "response", "content", "arguments")
"""Keys of an object that contains a message, or the object with the list of messages."""

ITEM_ROLES: Final = {
    "function_call": "assistant",
    "reasoning": "assistant",
    "custom_tool_call": "assistant",
    "mcp_call": "assistant",
    "function_call_output": "tool",
    "custom_tool_call_output": "tool",
}
"""Items of OpenAI's responses that are parts listed among messages, with the role of the message they become."""

MEDIA_WORDS: Final = frozenset(
    {*(word for word, kind in PART_TYPES.items() if kind == "media"), "image_generation_call"}
)
"""The types of objects with a medium, and the names of fields that contain such an object."""

MEDIA_TYPE_FIELDS: Final = PART_FIELDS["media"]["mime_type"]
MEDIA_DATA_FIELDS: Final = frozenset(
    {*PART_FIELDS["media"]["data"], "blob", "base64", "b64_json", "file_data", "images", "result"}
)
"""The names under which clients send the media type and the base64 of a medium.

*source*: in addition to the message shapes above, the image API of OpenAI, Ollama's chat, and MCP's contents.
"""

MEDIA_FORMATS: Final = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "opus": "audio/opus",
    "pcm16": "audio/pcm",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "pdf": "application/pdf",
}
"""Media types by the short words that OpenAI and Bedrock use, and by a common misspelling."""

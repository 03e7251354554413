"""One vocabulary for who serves a model, whatever a client calls them.

*source*: the well-known values of `gen_ai.provider.name` (OpenTelemetry), of `llm.provider` and `llm.system`
(OpenInference), and the provider ids of the Vercel AI SDK and LiteLLM. What is not listed keeps its own name.
"""

import re
from functools import lru_cache
from typing import Final

PROVIDERS: Final[dict[str, str]] = {
    "openai": "openai openai_chat openai-chat openai_responses open_ai",
    "azure": "azure azure_openai azureopenai azure_ai azure_ai_openai azure_ai_inference az_ai_openai az_ai_inference "
    "azure_foundry azure_ai_foundry microsoft_foundry microsoft",
    "anthropic": "anthropic anthropic_messages claude",
    "aws.bedrock": "aws_bedrock bedrock amazon_bedrock bedrock_converse aws amazon",
    "aws.sagemaker": "aws_sagemaker sagemaker amazon_sagemaker",
    "google": "google gemini gcp_gemini gcp_gen_ai google_genai google_generative_ai google_gemini google_ai_studio "
    "google_gla google_generativeai google_ai googleai gcp gcp_vertex_ai gcp_vertex vertex_ai vertexai vertex "
    "google_vertex google_vertexai google_vertex_ai google_vertex_anthropic vertex_anthropic",
    "mistral": "mistral mistral_ai mistralai",
    "cohere": "cohere cohere_chat",
    "groq": "groq",
    "xai": "xai x_ai grok",
    "deepseek": "deepseek",
    "perplexity": "perplexity perplexity_ai",
    "together": "together together_ai togetherai",
    "fireworks": "fireworks fireworks_ai",
    "openrouter": "openrouter open_router",
    "ollama": "ollama ollama_chat",
    "huggingface": "huggingface hugging_face hf huggingface_hub",
    "replicate": "replicate replicate_ai",
    "ibm.watsonx.ai": "ibm_watsonx_ai ibm_watsonx watsonx watsonx_ai ibm",
    "cerebras": "cerebras",
    "nvidia": "nvidia nvidia_nim nim nvidia_ai_endpoints",
    "moonshot": "moonshot moonshot_ai moonshotai",
    "alibaba": "alibaba alibaba_cloud dashscope qwen aliyun",
    "ai21": "ai21 ai21_labs",
    "databricks": "databricks",
    "voyage": "voyage voyageai voyage_ai",
    "jina": "jina jina_ai jinaai",
}
"""Our name for a provider, and the names that mean it. Case, and `.`, `-`, `_` or a blank, make no difference."""

_API_WORDS: Final = "chat|messages|responses|completion|completions|embedding|embeddings|language_models|image|speech"
"""What a client may add behind the provider to say which of its APIs was called: `openai.responses`."""

_FRAMEWORKS: Final = frozenset(
    {
        *("ag2", "agno", "autogen", "autogpt", "beeai", "crewai", "dify", "flowise", "gateway", "haystack", "helicone"),
        *("instructor", "litellm", "logfire", "mastra", "n8n", "opik", "phoenix", "portkey", "spring_ai", "traceloop"),
        *("vercel", "custom", "none", "null", "other", "unknown"),
    }
)
_FRAMEWORK_WORD: Final = re.compile(r"agent|chain|graph|kernel|llama_?index|framework|workflow|_sdk")
"""What stands in the provider's place and is none: the framework that made the call, and words for not knowing."""

_SEPARATORS: Final = re.compile(r"[\s./:-]+")
_API_SUFFIX: Final = re.compile(rf"_(?:{_API_WORDS})$")
_MAX_CHARACTERS: Final = 256

_OURS: Final = {alias: name for name, aliases in PROVIDERS.items() for alias in aliases.split()}


def provider_of(name: object) -> str | None:
    """Our name for the provider that a client calls `name`; None where that is a framework's, or says nothing."""
    return _provider_of(name) if isinstance(name, str) else None


@lru_cache(maxsize=1_024)
def _provider_of(name: str) -> str | None:
    word = _SEPARATORS.sub("_", name.strip().lower()).strip("_")
    known = _OURS.get(word) or _OURS.get(_API_SUFFIX.sub("", word))
    if known or not word or word in _FRAMEWORKS or _FRAMEWORK_WORD.search(word):
        return known
    return name.strip().lower()[:_MAX_CHARACTERS]

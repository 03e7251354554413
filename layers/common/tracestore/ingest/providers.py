"""One name for each provider that serves models, whatever a client calls it.

*source*: the well-known values of `gen_ai.provider.name` (OpenTelemetry), of `llm.provider` and `llm.system`
(OpenInference), and the provider ids of the Vercel AI SDK and LiteLLM. A name that is not listed stays as it is.
"""

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
"""The stored name of a provider, and its aliases. Matching ignores case and treats `.`, `-`, `_` and a blank alike."""

BEDROCK: Final = "aws.bedrock"

API_WORDS: Final = "chat|messages|responses|completion|completions|embedding|embeddings|language_models|image|speech"
"""Suffixes by which clients name the API that was called, as in `openai.responses`."""

FRAMEWORKS: Final = frozenset(
    {
        *("ag2", "agno", "autogen", "autogpt", "beeai", "crewai", "dify", "flowise", "gateway", "haystack", "helicone"),
        *("instructor", "litellm", "logfire", "mastra", "n8n", "opik", "phoenix", "portkey", "spring_ai", "traceloop"),
        *("vercel", "custom", "none", "null", "other", "unknown"),
    }
)
FRAMEWORK_WORD: Final = r"agent|chain|graph|kernel|llama_?index|framework|workflow|_sdk"
"""Provider attributes may name no provider but the framework that made the call, or contain a word for "unknown"."""

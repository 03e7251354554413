"""A lesson generator with provider fallback, traced by hand: its plain HTTP calls have no instrumentation.

It generates one lesson with the second provider, and one with which both providers fail.
`make examples ARGS=lesson` runs it offline.
"""

import json
import os
import urllib.request
from typing import Any

import tracestore_client as tracestore

tracestore.configure(service_name="lesson-example")

PROVIDERS = (
    ("openai", "gpt-4o-mini", os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1"), "OPENAI_API_KEY"),
    (
        "deepseek",
        "deepseek-chat",
        os.environ.get("DEEPSEEK_BASE_URL", "https://api.deepseek.com/v1"),
        "DEEPSEEK_API_KEY",
    ),
)


def chat(base: str, key: str, body: dict[str, Any]) -> Any:
    """The response of a provider with OpenAI's protocol. *raises*: OSError when the request fails."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{base}/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def write(prompt: str, model_override: str | None) -> str:
    """The text from the first provider that succeeds. *raises*: RuntimeError when all providers fail."""
    for provider, default_model, base, key in PROVIDERS:
        model = model_override or default_model
        try:
            with tracestore.llm_call(provider, model, prompt=prompt, temperature=0.3, max_tokens=800) as call:
                body = {"model": model, "messages": [{"role": "user", "content": prompt}], "temperature": 0.3}
                reply = chat(base, os.environ.get(key, ""), body)
                text = str(reply["choices"][0]["message"]["content"])
                call.respond(text, model=reply["model"], finish_reason=reply["choices"][0]["finish_reason"])
                usage = reply["usage"]
                call.usage(input_tokens=usage["prompt_tokens"], output_tokens=usage["completion_tokens"])
                return text
        except OSError as failure:
            print(f"{provider} failed: {failure}")
    raise RuntimeError("No provider could write the lesson.")


def generate(lesson_id: str, topic: str, model: str | None = None) -> dict[str, str]:
    """Generate a lesson. *raises*: RuntimeError when all providers fail."""
    with tracestore.trace_lesson(lesson_id, {"topic": topic}, user_id="ada") as lesson:
        text = write(f"Write a lesson about {topic}.", model)
        lesson.response = content = {"title": topic.capitalize(), "text": text}
        return content


def main() -> None:
    """Generate one lesson, and fail to generate another."""
    print(generate("lesson-rivers", "rivers")["text"])
    try:
        generate("lesson-deltas", "deltas", "no-such-model")
    except RuntimeError as failure:
        print(failure)


if __name__ == "__main__":
    main()

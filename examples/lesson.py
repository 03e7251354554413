"""The lesson generator with provider fallback, traced by hand: its calls are plain HTTP, which nothing instruments.

It makes one lesson by the second provider, and one that both fail. `make examples ARGS=lesson` runs it offline.
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
    """What a provider that speaks OpenAI's protocol answers. *raises*: OSError."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{base}/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def write(prompt: str, only_model: str | None) -> str:
    """The text of the first provider that has one. *raises*: RuntimeError."""
    for provider, usual_model, base, key in PROVIDERS:
        model = only_model or usual_model
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
    """A lesson. *raises*: RuntimeError."""
    with tracestore.trace_lesson(lesson_id, {"topic": topic}, user_id="ada") as lesson:
        lesson.response = made = {"title": topic.capitalize(), "text": write(f"Write a lesson about {topic}.", model)}
        return made


def main() -> None:
    """Make a lesson, and fail to make another."""
    print(generate("lesson-rivers", "rivers")["text"])
    try:
        generate("lesson-deltas", "deltas", "no-such-model")
    except RuntimeError as failure:
        print(failure)


if __name__ == "__main__":
    main()

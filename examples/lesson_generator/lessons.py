"""Lessons from the first provider that succeeds. The application contains no tracing code."""

from openai import OpenAI


class NoProvider(Exception):
    """All providers failed."""


def by_openai(prompt: str) -> str:
    """The text that OpenAI's model generates."""
    reply = OpenAI(max_retries=0).chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": prompt}], temperature=0.3, max_tokens=800
    )
    return reply.choices[0].message.content or ""


def by_anthropic(prompt: str) -> str:
    """The text that Anthropic's model generates."""
    from anthropic import Anthropic  # takes seconds, so it is imported only when needed
    from anthropic.types import TextBlock

    reply = Anthropic(max_retries=0).messages.create(
        model="claude-haiku-4-5", messages=[{"role": "user", "content": prompt}], max_tokens=800
    )
    return "".join(block.text for block in reply.content if isinstance(block, TextBlock))


PROVIDERS = (by_openai, by_anthropic)


def generate(lesson_id: str, topic: str, level: int = 3) -> dict[str, str]:
    """Generate a lesson. *raises*: NoProvider when all providers fail."""
    for provider in PROVIDERS:
        try:
            text = provider(f"Write a lesson about {topic} for level {level}.")
        except Exception as failure:
            print(f"{provider.__name__} failed: {type(failure).__name__}")
        else:
            return {"lesson_id": lesson_id, "title": topic.capitalize(), "text": text}
    raise NoProvider(f"No provider could write about {topic}.")

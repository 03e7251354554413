"""A chat with two turns: one succeeds and one fails. The model is called by OpenAI's client, which is instrumented.

It needs TRACESTORE_ENDPOINT and TRACESTORE_API_KEY. `make examples ARGS=chat` runs it offline.
"""

from openai import OpenAI, OpenAIError
from openai.types.chat import ChatCompletionMessageParam

import tracestore_client as tracestore

tracestore.configure(service_name="chat-example", instrument=["openai"])
client = OpenAI(max_retries=0)


def ask(question: str, model: str) -> str:
    """Ask a model and return its answer. *raises*: OpenAIError when the request fails."""
    with tracestore.trace("chat", "chain", input=question, conversation_id="chat-42", user_id="ada") as turn:
        messages: list[ChatCompletionMessageParam] = [
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "user", "content": question},
        ]
        reply = client.chat.completions.create(model=model, messages=messages, temperature=0.2)
        turn.output = reply.choices[0].message.content
        return str(reply.choices[0].message.content)


def main() -> None:
    """Ask two questions, the second one with a model that does not exist."""
    print(ask("Is it raining in Lisbon?", "gpt-4o-mini"))
    try:
        ask("And in Porto?", "no-such-model")
    except OpenAIError as failure:
        print(f"The request failed: {type(failure).__name__}")


if __name__ == "__main__":
    main()

"""The support assistant answers from the shop's help centre: by retrieval, and with a second provider."""

from datetime import datetime
from random import Random
from typing import Final

from tracestore_cli.samples import Trace
from tracestore_cli.samples.support import SYSTEM, chat
from tracestore_cli.samples.trace_writer import message

_HELP: Final = (
    (
        "Can I wash the down sleeping bag in the machine?",
        "Caring for down",
        "Wash down on a gentle cycle at 30 °C with down soap and no softener, in a front loader. Tumble dry on low "
        "with two clean tennis balls until the clumps are gone, which takes about three hours.",
        "Yes: gentle cycle, 30 °C, down soap, no softener, and a front-loading machine. Dry it on low with two tennis "
        "balls for around three hours, until no clumps are left.",
    ),
    (
        "how long do I have to return boots that I wore once outside",
        "Returns and exchanges",
        "Items can be returned within 30 days. Footwear worn outdoors is accepted within 14 days if it shows no more "
        "than light traces of use; the refund is then made as a gift card.",
        "You have 14 days for boots worn outdoors, as long as they show only light traces of use. The refund comes as "
        "a gift card in that case. Shall I send you a return label?",
    ),
    (
        "Does the Ridge tent's warranty cover a broken pole?",
        "Warranty",
        "Poles, zips and seams are covered for five years against defects. Damage by wind or falls is not covered, "
        "but pole segments are repaired at cost: 9 euros each, usually within a week.",
        "A pole that failed by itself is covered for five years. If wind or a fall broke it, we repair it at cost: 9 "
        "€ a segment, usually within a week. A photo helps us decide quickly.",
    ),
    (
        "can I take the gas cartridge for the stove on a plane?",
        "Stoves and travelling",
        "Gas cartridges are not allowed in hand or hold luggage, also when they are empty. Stoves may travel once they "
        "are clean and dry. Screw-top cartridges are sold in most towns; the adapter for pierced ones is SKU 8841.",
        "No, airlines forbid gas cartridges in any luggage, even empty ones. Your stove may fly if it is clean and "
        "dry. Buy a screw-top cartridge when you arrive.",
    ),
    (
        "Which backpack size for a week in huts?",
        "Choosing a backpack",
        "For hut tours 35 to 45 litres are enough, since bedding and food are there. For a week with a tent plan 55 "
        "to 65 litres. A pack should weigh no more than a fifth of its bearer.",
        "For a week in huts 35 to 45 litres are plenty: the Fjell 45 leaves room for a rain jacket and lunch. Try to "
        "stay below a fifth of your own weight.",
    ),
    (
        "My gift card shows 0 but I never used it",
        "Gift cards",
        "A gift card is activated within an hour of its payment. Until then its balance reads 0. Cards bought by "
        "invoice are activated when the invoice is paid.",
        "That's most likely because it isn't active yet: a card shows 0 until its payment has come in, which takes up "
        "to an hour, or longer if it was bought by invoice. If it still reads 0 tomorrow, send me the card's number.",
    ),
)


def by_retrieval(rng: Random, start: datetime) -> list[Trace]:
    """Retrieval before the answer: embed, search, rerank, and a reply that cites its article."""
    question, title, article, answer = rng.choice(_HELP)
    writer = chat(rng, start)
    others = [{"title": each[1], "score": round(rng.uniform(0.4, 0.6), 3), "text": each[2]} for each in _HELP]
    documents = [
        {"title": title, "score": 0.873, "text": article},
        *(each for each in others if each["title"] != title),
    ]
    with writer.step("rag.help_centre", "chain", input_data={"question": question}) as root:
        writer.embedding(question)
        writer.retrieval(question, documents, index="help-centre-v7")
        writer.leaf(
            "rerank",
            "rerank",
            110,
            model_name="rerank-v3.5",
            model_provider="cohere",
            input_data={"query": question, "documents": [each["title"] for each in documents]},
            output_data={"ranking": [{"index": 0, "relevance": 0.981}, {"index": 1, "relevance": 0.204}]},
        )
        messages = [message("system", f"{SYSTEM}\n\nArticle: {title}\n{article}"), message("user", question)]
        writer.streamed_completion("gpt-4o-mini", messages, message("assistant", answer))
        root["output_data"] = {"messages": [message("assistant", answer)], "citations": [title]}
    return [writer.spans]


def provider_fallback(rng: Random, start: datetime) -> list[Trace]:
    """The first provider refuses and the second one answers, so that the trace succeeds."""
    question, title, article, answer = rng.choice(_HELP)
    writer = chat(rng, start)
    messages = [message("system", f"{SYSTEM}\n\nArticle: {title}\n{article}"), message("user", question)]
    with writer.step("llm.with_fallback", "chain", input_data={"messages": messages[1:]}) as root:
        writer.completion(
            "gpt-4o-mini",
            messages,
            None,
            ms=140,
            metadata={"attempt": 1, "http_status": 429},
            error_type="RateLimitError",
            error_message="429: rate limit reached for gpt-4o-mini: 200,000 tokens per minute. Try again in 3.4 s.",
        )
        writer.streamed_completion("claude-haiku-4-5", messages, message("assistant", answer), metadata={"attempt": 2})
        root["output_data"] = {"messages": [message("assistant", answer)]}
    return [writer.spans]

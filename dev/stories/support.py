"""A shop's support assistant: look-ups with tools, answers from the help centre, and customers in four languages."""

from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from dev.stories import Story, Trace
from dev.stories.scribe import Scribe, call, result, said
from dev.workloads import Span

_SYSTEM: Final = (
    "You are the support assistant of Northwind Outdoor, a shop for hiking and camping gear. Be brief and warm, answer "
    "in the customer's language, never promise a refund before `get_order` has confirmed the order, and hand over to a "
    "person when the customer asks for one or is upset twice. Delivery takes 2 to 4 working days; returns are free for "
    "30 days; gift cards cannot be paid out."
)
_GOODS: Final = (
    ("Fjell 45 backpack", 139.0),
    ("Ridge 2-person tent", 289.0),
    ("Merino base layer, M", 64.5),
    ("Trail gaiters", 32.9),
    ("Titanium pot set", 78.0),
    ("Down sleeping bag −5 °C", 219.0),
)
_CARRIERS: Final = ("DHL", "PostNord", "UPS")
_ORDER_QUESTIONS: Final = (
    ("Hi! Where is my order {order}? It was supposed to be here on Tuesday.", "in_transit"),
    ("Tracking for {order} hasn't moved in three days. Is it lost?", "delayed"),
    ("Can I still change the delivery address of order {order}?", "packed"),
    ("My parcel {order} says delivered, but there's nothing at the door.", "delivered"),
    ("I'd like to cancel {order} please, I ordered the wrong size.", "packed"),
)
_ORDER_ANSWERS: Final = {
    "in_transit": "Your {item} left our warehouse on schedule and is with {carrier} now. It should reach you tomorrow "
    "before 6 pm. I've turned on text updates for you, so you'll see it coming.",
    "delayed": "I'm sorry about the wait. {carrier} reports a sorting delay for your {item}, and its new date is "
    "Friday. If it isn't there by then, write to me again and I'll send a replacement the same day.",
    "packed": "Good timing: your {item} is packed but hasn't been handed to {carrier} yet, so I could stop it. Tell "
    "me the new details and I'll change them right away; nothing is charged for that.",
    "delivered": "That's annoying, sorry! {carrier} left the {item} with a neighbour at number 14 yesterday at 16:12. "
    "If they don't have it, I'll open an investigation and ship a new one.",
}
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
)
_ABROAD: Final = (
    (
        "Guten Tag, ich habe den Rucksack {order} bekommen, aber der Hüftgurt ist zu kurz. Gibt es eine Verlängerung?",
        "Guten Tag! Für den Fjell 45 gibt es eine Gurtverlängerung um 20 cm (12,90 €). Da Ihre Bestellung erst neun "
        "Tage alt ist, schicken wir sie Ihnen kostenlos zu – sie ist übermorgen bei Ihnen. Schöne Grüße aus dem "
        "Norden!",
    ),
    (
        "注文番号{order}の寝袋が届きましたが、ファスナーが壊れています。交換できますか？",
        "ご不便をおかけして申し訳ございません。ご注文を確認いたしました。交換品を本日発送いたしますので、2〜4営業日でお届けします。"
        "壊れた寝袋は、同封の返送ラベルでお送りください。送料は当店が負担いたします。",
    ),
    (
        "مرحبًا، وصلني الطلب {order} ناقصًا: حبل الخيمة غير موجود. ماذا أفعل؟",
        "أهلًا بك، نعتذر عن هذا الخطأ. سنرسل لك حبل الخيمة اليوم مجانًا وسيصلك خلال يومين إلى أربعة أيام عمل. "
        "لا حاجة إلى إعادة أي شيء.",
    ),
    (
        "omg the new tent is 🔥🔥 but one peg is bent 😅 order {order}, can u send another one? 🏕️",
        "So glad you love it! 🏕️ A new peg for {order} is on its way, no charge. Happy camping! ⛺✨",
    ),
)
_CHAT: Final = (
    (
        "Hey, I'm planning five days in the Sarek in September. Which tent would you take?",
        "For Sarek in September I'd take the Ridge 2-person tent: it stands in 90 km/h gusts and weighs 2.4 kg. "
        "Expect wind and the first snow. Do you walk alone, or do two people share the weight?",
    ),
    (
        "Two of us. And is the -5 sleeping bag enough?",
        "For two it's a good split: one carries the fly, the other the inner tent. Nights may reach −6 °C there, so "
        "with the −5 °C bag I'd add a silk liner, which gains about four degrees and costs 49 €.",
    ),
    (
        "Ok. What would that come to, tent, two bags, two liners?",
        "Tent 289 €, two sleeping bags 438 €, two liners 98 €: 825 € altogether, delivery included. With the autumn "
        "bundle (AUTUMN10) you pay 742.50 €.",
    ),
    (
        "Great, please put it in my basket!",
        "Done! Your basket holds the tent, two bags and two liners, and AUTUMN10 is applied: 742.50 €. Everything is "
        "in stock, so it would be with you by Thursday. Have a wonderful trip!",
    ),
)


def order_question(rng: Random, start: datetime) -> list[Trace]:
    """The everyday case: a question, one look-up, an answer."""
    question, state = rng.choice(_ORDER_QUESTIONS)
    order, answer = _order(rng, state)
    scribe = _scribe(rng, start)
    _answer_with_order(scribe, question.format(order=order["order_id"]), order, answer)
    return [scribe.spans]


def abroad(number: int) -> Story:
    """The story of one customer who writes in German, Japanese, Arabic or emoji."""

    def story(rng: Random, start: datetime) -> list[Trace]:
        question, answer = _ABROAD[number % len(_ABROAD)]
        order, _ = _order(rng, "delivered")
        scribe = _scribe(rng, start)
        _answer_with_order(
            scribe, question.format(order=order["order_id"]), order, answer.format(order=order["order_id"])
        )
        return [scribe.spans]

    return story


def help_centre(rng: Random, start: datetime) -> list[Trace]:
    """Retrieval before the answer: embed, search, rerank, and a reply that cites its article."""
    question, title, article, answer = rng.choice(_HELP)
    scribe = _scribe(rng, start)
    others = [{"title": each[1], "score": round(rng.uniform(0.4, 0.6), 3), "text": each[2]} for each in _HELP]
    found = [{"title": title, "score": 0.873, "text": article}, *(each for each in others if each["title"] != title)]
    with scribe.step("rag.help_centre", "chain", input_data={"question": question}) as root:
        scribe.embedding(question)
        scribe.retrieval(question, found, index="help-centre-v7")
        scribe.leaf(
            "rerank",
            "rerank",
            110,
            model_name="rerank-v3.5",
            model_provider="cohere",
            input_data={"query": question, "documents": [each["title"] for each in found]},
            output_data={"ranking": [{"index": 0, "relevance": 0.981}, {"index": 1, "relevance": 0.204}]},
        )
        messages = [said("system", f"{_SYSTEM}\n\nArticle: {title}\n{article}"), said("user", question)]
        scribe.completion("gpt-4o-mini", messages, said("assistant", answer))
        root["output_data"] = {"messages": [said("assistant", answer)], "citations": [title]}
    return [scribe.spans]


def refund_that_fails(rng: Random, start: datetime) -> list[Trace]:
    """A tool breaks, and the assistant makes the best of it: the trace succeeds with an error inside."""
    order, _ = _order(rng, "delivered")
    scribe = _scribe(rng, start)
    question = f"Order {order['order_id']} arrived broken. I want my {order['amount']} € back."
    sorry = (
        "I'm sorry the parcel arrived broken. I tried to refund you right away, but our payment system isn't "
        "answering. I've opened case CS-20418; a colleague will finish it today and confirm by email."
    )
    asked = {"order_id": order["order_id"], "amount_eur": order["amount"]}
    with scribe.step("agent.support", "agent", input_data={"messages": [said("user", question)]}) as root:
        messages = [said("system", _SYSTEM), said("user", question)]
        wish = said("assistant", "", call("call_r1", "refund_payment", asked))
        scribe.completion("gpt-4o-mini", messages, wish)
        trouble = "payment service answered 502 Bad Gateway after 3 attempts"
        scribe.tool("refund_payment", asked, None, 6_200, error_type="ToolError", error_message=trouble)
        messages += [wish, result("call_r1", "refund_payment", {"error": trouble})]
        scribe.completion("gpt-4o-mini", messages, said("assistant", sorry))
        root["output_data"] = {"messages": [said("assistant", sorry)]}
    return [scribe.spans]


def conversation(rng: Random, start: datetime) -> list[Trace]:
    """Four traces of one conversation, minutes apart, each call repeating what was said."""
    shared: dict[str, Any] = {"conversation_id": f"chat-{rng.getrandbits(40):010x}", "end_user_id": "cust-4711"}
    messages = [said("system", _SYSTEM)]
    traces: list[Trace] = []
    for number, (question, answer) in enumerate(_CHAT):
        scribe = Scribe(rng, start, service="support-bot", message_id=f"msg-{number + 1}", **shared)
        messages.append(said("user", question))
        with scribe.step("chat.turn", "chain", input_data={"messages": [said("user", question)]}) as root:
            scribe.completion("claude-sonnet-4-5", list(messages), said("assistant", answer))
            root["output_data"] = {"messages": [said("assistant", answer)]}
        messages.append(said("assistant", answer))
        traces.append(scribe.spans)
        start += timedelta(seconds=rng.randint(50, 170))
    return traces


def rate_limited(rng: Random, start: datetime) -> list[Trace]:
    """The provider refuses twice, and nobody catches it: the whole trace fails."""
    order, _ = _order(rng, "delayed")
    question = f"Where is {order['order_id']}??"
    scribe = _scribe(rng, start)
    refusal = {
        "error_type": "RateLimitError",
        "error_message": "429: rate limit reached for gpt-4o-mini: 200,000 tokens per minute. Try again in 1.2 s.",
    }
    with scribe.step("agent.support", "agent", input_data={"messages": [said("user", question)]}) as root:
        for attempt in (1, 2):
            scribe.completion(
                "gpt-4o-mini",
                [said("system", _SYSTEM), said("user", question)],
                None,
                ms=160,
                metadata={"attempt": attempt, "http_status": 429},
                **refusal,
            )
            scribe.wait(1_200, 1_900)
        root.update(refusal)
    return [scribe.spans]


def provider_fallback(rng: Random, start: datetime) -> list[Trace]:
    """The first provider refuses, the second answers: the customer notices nothing."""
    question, title, article, answer = rng.choice(_HELP)
    scribe = _scribe(rng, start)
    messages = [said("system", f"{_SYSTEM}\n\nArticle: {title}\n{article}"), said("user", question)]
    with scribe.step("llm.with_fallback", "chain", input_data={"messages": messages[1:]}) as root:
        scribe.completion(
            "gpt-4o-mini",
            messages,
            None,
            ms=140,
            metadata={"attempt": 1, "http_status": 429},
            error_type="RateLimitError",
            error_message="429: rate limit reached for gpt-4o-mini: 200,000 tokens per minute. Try again in 3.4 s.",
        )
        scribe.completion("claude-haiku-4-5", messages, said("assistant", answer), metadata={"attempt": 2})
        root["output_data"] = {"messages": [said("assistant", answer)]}
    return [scribe.spans]


def _scribe(rng: Random, start: datetime) -> Scribe:
    return Scribe(
        rng,
        start,
        service="support-bot",
        conversation_id=f"chat-{rng.getrandbits(40):010x}",
        end_user_id=f"cust-{rng.randint(4_000, 4_060)}",
    )


def _order(rng: Random, state: str) -> tuple[Span, str]:
    item, amount = rng.choice(_GOODS)
    order = {
        "order_id": f"NW-{rng.randint(20_000, 29_999)}",
        "item": item,
        "amount": amount,
        "state": state,
        "carrier": rng.choice(_CARRIERS),
    }
    return order, _ORDER_ANSWERS[state].format(item=item, carrier=order["carrier"])


def _answer_with_order(scribe: Scribe, question: str, order: Span, answer: str) -> None:
    asked = {"order_id": order["order_id"]}
    with scribe.step("agent.support", "agent", input_data={"messages": [said("user", question)]}) as root:
        messages = [said("system", _SYSTEM), said("user", question)]
        wish = said("assistant", "", call("call_1", "get_order", asked))
        scribe.completion("gpt-4o-mini", list(messages), wish)
        scribe.tool("get_order", asked, order)
        messages += [wish, result("call_1", "get_order", order)]
        scribe.completion("gpt-4o-mini", messages, said("assistant", answer))
        root["output_data"] = {"messages": [said("assistant", answer)]}

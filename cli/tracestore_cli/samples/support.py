"""A shop's support assistant: look-ups with tools, a conversation, and customers in four languages."""

from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from tracestore_cli.samples import Sample, Span, Trace
from tracestore_cli.samples.trace_writer import TraceWriter, call, message, result

SYSTEM: Final = (
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
    """The common case: a question, one look-up and an answer."""
    question, state = rng.choice(_ORDER_QUESTIONS)
    order, answer = _order(rng, state)
    writer = chat(rng, start)
    _answer_with_order(writer, question.format(order=order["order_id"]), order, answer)
    return [writer.spans]


def abroad(number: int) -> Sample:
    """A sample with a customer that writes in German, Japanese, Arabic or emoji."""

    def sample(rng: Random, start: datetime) -> list[Trace]:
        question, answer = _ABROAD[number % len(_ABROAD)]
        order, _ = _order(rng, "delivered")
        writer = chat(rng, start)
        _answer_with_order(
            writer, question.format(order=order["order_id"]), order, answer.format(order=order["order_id"])
        )
        return [writer.spans]

    return sample


def refund_that_fails(rng: Random, start: datetime) -> list[Trace]:
    """A tool fails and the assistant still answers: the trace succeeds and contains an error."""
    order, _ = _order(rng, "delivered")
    writer = chat(rng, start)
    question = f"Order {order['order_id']} arrived broken. I want my {order['amount']} € back."
    sorry = (
        "I'm sorry the parcel arrived broken. I tried to refund you right away, but our payment system isn't "
        "answering. I've opened case CS-20418; a colleague will finish it today and confirm by email."
    )
    arguments = {"order_id": order["order_id"], "amount_eur": order["amount"]}
    with writer.step("agent.support", "agent", input_data={"messages": [message("user", question)]}) as root:
        messages = [message("system", SYSTEM), message("user", question)]
        request = message("assistant", "", call("call_r1", "refund_payment", arguments))
        writer.completion("gpt-4o-mini", messages, request)
        trouble = "payment service answered 502 Bad Gateway after 3 attempts"
        writer.tool("refund_payment", arguments, None, 6_200, error_type="ToolError", error_message=trouble)
        messages += [request, result("call_r1", "refund_payment", {"error": trouble})]
        writer.streamed_completion("gpt-4o-mini", messages, message("assistant", sorry))
        root["output_data"] = {"messages": [message("assistant", sorry)]}
    return [writer.spans]


def conversation(rng: Random, start: datetime) -> list[Trace]:
    """Four traces of one conversation, minutes apart. Each call repeats the conversation so far."""
    shared: dict[str, Any] = {"conversation_id": f"chat-{rng.getrandbits(40):010x}", "end_user_id": "cust-4711"}
    messages = [message("system", SYSTEM)]
    traces: list[Trace] = []
    for number, (question, answer) in enumerate(_CHAT):
        writer = TraceWriter(rng, start, service="support-bot", message_id=f"msg-{number + 1}", **shared)
        messages.append(message("user", question))
        with writer.step("chat.turn", "chain", input_data={"messages": [message("user", question)]}) as root:
            writer.streamed_completion("claude-sonnet-4-5", list(messages), message("assistant", answer))
            root["output_data"] = {"messages": [message("assistant", answer)]}
        messages.append(message("assistant", answer))
        traces.append(writer.spans)
        start += timedelta(seconds=rng.randint(50, 170))
    return traces


def rate_limited(rng: Random, start: datetime) -> list[Trace]:
    """The provider refuses twice and the application does not catch the error: the whole trace fails."""
    order, _ = _order(rng, "delayed")
    question = f"Where is {order['order_id']}??"
    writer = chat(rng, start)
    refusal = {
        "error_type": "RateLimitError",
        "error_message": "429: rate limit reached for gpt-4o-mini: 200,000 tokens per minute. Try again in 1.2 s.",
    }
    with writer.step("agent.support", "agent", input_data={"messages": [message("user", question)]}) as root:
        for attempt in (1, 2):
            writer.completion(
                "gpt-4o-mini",
                [message("system", SYSTEM), message("user", question)],
                None,
                ms=160,
                metadata={"attempt": attempt, "http_status": 429},
                **refusal,
            )
            writer.wait(1_200, 1_900)
        root.update(refusal)
    return [writer.spans]


def chat(rng: Random, start: datetime) -> TraceWriter:
    """A trace of the assistant, in a conversation of its own."""
    return TraceWriter(
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


def _answer_with_order(writer: TraceWriter, question: str, order: Span, answer: str) -> None:
    arguments = {"order_id": order["order_id"]}
    with writer.step("agent.support", "agent", input_data={"messages": [message("user", question)]}) as root:
        messages = [message("system", SYSTEM), message("user", question)]
        request = message("assistant", "", call("call_1", "get_order", arguments))
        writer.completion("gpt-4o-mini", list(messages), request)
        writer.tool("get_order", arguments, order)
        messages += [request, result("call_1", "get_order", order)]
        writer.streamed_completion("gpt-4o-mini", messages, message("assistant", answer))
        root["output_data"] = {"messages": [message("assistant", answer)]}

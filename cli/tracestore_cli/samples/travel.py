"""A trip planner: a lead agent with sub-agents for trains, hotels and days, each with its own models and tools."""

from datetime import datetime
from random import Random
from typing import Any, Final

from tracestore_cli.samples import Span, Trace
from tracestore_cli.samples.trace_writer import TraceWriter, call, message, result

_SYSTEM: Final = (
    "You plan trips by train. Ask the specialists for connections, hotels and days out, keep within the budget, and "
    "leave an hour between arrival and the first appointment. Prices in euros."
)
_TRIPS: Final = (
    ("Lisbon", "Porto", "Seville", "Five days by train from Lisbon, two people, 900 €, we like tiles and good coffee."),
    (
        "Hamburg",
        "Copenhagen",
        "Malmö",
        "Long weekend from Hamburg with a six-year-old, no flights, something with water.",
    ),
    ("Kyoto", "Kanazawa", "Takayama", "京都から3泊4日、金沢と高山をまわりたい。予算は15万円、温泉つきで。"),
    (
        "Lyon",
        "Turin",
        "Genoa",
        "Four days in April from Lyon: markets, an opera evening, one vegetarian, 1,200 € for both.",
    ),
)
_DAYS: Final = (
    "Morning at the covered market, lunch by the river, the tile museum in the afternoon (closed on Mondays).",
    "Early train, luggage at the hotel by 11, a guided walk through the old town, dinner at eight, vegetarian options.",
    "A slow day: ferry across the bay, swimming if it is warm, the lighthouse at sunset.",
)


def trip(rng: Random, start: datetime) -> list[Trace]:
    """A small plan: one specialist, a handful of calls."""
    return _plan(rng, start, towns=1, steps=2)


def long_trip(rng: Random, start: datetime) -> list[Trace]:
    """A full plan with nested sub-agents, retries and parallel searches: more than 40 spans."""
    return _plan(rng, start, towns=3, steps=3)


def trip_pending(rng: Random, start: datetime) -> list[Trace]:
    """An unfinished plan: its calls have ended, the agents around them have not."""
    [spans] = _plan(rng, start, towns=1, steps=2)
    for span in spans:
        if span["operation_type"] in ("agent", "workflow"):
            for name in ("end_time", "output_data"):
                span.pop(name, None)
    return [spans[:-2]]


def _plan(rng: Random, start: datetime, towns: int, steps: int) -> list[Trace]:
    *route, wish = rng.choice(_TRIPS)
    writer = TraceWriter(
        rng,
        start,
        service="trip-planner",
        conversation_id=f"trip-{rng.getrandbits(32):08x}",
        end_user_id=f"traveller-{rng.randint(1, 25)}",
    )
    with writer.step("agent.trip_planner", "agent", input_data={"messages": [message("user", wish)]}) as root:
        messages = [message("system", _SYSTEM), message("user", wish)]
        outline = message(
            "assistant", f"I'll look at {', then '.join(route[:towns])} and compare trains before hotels."
        )
        writer.completion("claude-sonnet-4-5", list(messages), outline)
        messages.append(outline)
        for town in route[:towns]:
            messages.append(message("assistant", _town(writer, town, steps)))
        total = rng.randint(540, 880)
        answer = (
            f"Here is your plan, {total} € for both, trains and rooms included.\n\n"
            + "\n".join(f"Day {day}: {text}" for day, text in enumerate(_DAYS[: towns + 1], 1))
            + "\n\nI've held the seats until tomorrow at noon. Shall I book?"
        )
        writer.completion("claude-sonnet-4-5", list(messages), message("assistant", answer), ms=5_200)
        root["output_data"] = {"messages": [message("assistant", answer)]}
    return [writer.spans]


def _town(writer: TraceWriter, town: str, steps: int) -> str:
    """Three specialists for one town: connections and rooms with tools, days out from the guide."""
    with writer.step(f"agent.{town.lower()}", "agent", input_data={"town": town, "nights": 2}) as agent:
        trains = [
            {"train": f"IC {writer.rng.randint(100, 799)}", "departs": "08:14", "arrives": "11:02", "price_eur": 34.9},
            {"train": f"RE {writer.rng.randint(100, 799)}", "departs": "09:40", "arrives": "13:31", "price_eur": 19.0},
        ]
        with writer.step("agent.trains", "agent", input_data={"to": town}) as trains_agent:
            _loop(
                writer,
                "gpt-4o-mini",
                f"Find trains to {town} before noon.",
                "search_trains",
                {"to": town},
                trains,
                steps,
            )
            trains_agent["output_data"] = trains[0]
        hotels = [{"hotel": "Casa do Rio", "price_eur": 96, "rating": 8.9}, {"hotel": "Hotel Nova", "price_eur": 71}]
        with writer.step("agent.hotels", "agent", input_data={"town": town}) as hotels_agent:
            trouble = {"error_type": "TimeoutError", "error_message": "the hotel search did not answer within 5 s"}
            if writer.rng.random() < 0.5:
                writer.tool("search_hotels", {"town": town, "max_eur": 110}, None, 5_000, **trouble)
            arguments = {"town": town, "max_eur": 110}
            _loop(
                writer,
                "gemini-2.5-flash",
                f"Find a quiet room in {town}.",
                "search_hotels",
                arguments,
                hotels,
                steps - 1,
            )
            hotels_agent["output_data"] = hotels[0]
        query = f"{town}: what to see in two days"
        writer.embedding(query)
        guide = [
            {"title": f"{town} on foot", "score": 0.86, "text": _DAYS[0]},
            {"title": "By the water", "score": 0.71},
        ]
        writer.retrieval(query, guide, index="city-guides")
        for source in ("weather", "events"):
            outcome = {"town": town, "summary": "dry, 17 to 22 °C" if source == "weather" else "opera on Friday, 19:30"}
            writer.tool(f"get_{source}", {"town": town}, outcome, 210, meanwhile=True)
        writer.wait(260)
        summary = f"{town}: take {trains[0]['train']} at 08:14, stay at {hotels[0]['hotel']}. {_DAYS[0]}"
        writer.completion("gpt-4o-mini", [message("user", f"Sum up {town}.")], message("assistant", summary))
        agent["output_data"] = {"summary": summary}
    return summary


def _loop(writer: TraceWriter, model: str, task: str, tool: str, query: Span, results: Any, steps: int) -> None:
    """An agent's loop: the model asks for a tool call and gets its result, until it answers."""
    messages = [message("system", _SYSTEM), message("user", task)]
    for number in range(steps - 1):
        call_id = f"call_{writer.hex(8)}"
        arguments = {**query, "page": number + 1}
        request = message("assistant", "", call(call_id, tool, arguments))
        writer.completion(model, list(messages), request)
        writer.tool(tool, arguments, {"results": results}, 640)
        messages += [request, result(call_id, tool, {"results": results})]
    writer.completion(
        model, list(messages), message("assistant", "The first result fits best: early, quiet and in budget.")
    )

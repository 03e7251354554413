"""A trip planner: a lead agent with sub-agents for trains, hotels and days, each with its own models and tools."""

from datetime import datetime
from random import Random
from typing import Any, Final

from dev.stories import Trace
from dev.stories.scribe import Scribe, call, result, said

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
    """A plan in the making: its calls have ended, the agents around them have not."""
    [spans] = _plan(rng, start, towns=1, steps=2)
    for span in spans:
        if span["operation_type"] in ("agent", "workflow"):
            for name in ("end_time", "output_data"):
                span.pop(name, None)
    return [spans[:-2]]


def _plan(rng: Random, start: datetime, towns: int, steps: int) -> list[Trace]:
    *route, wish = rng.choice(_TRIPS)
    scribe = Scribe(
        rng,
        start,
        service="trip-planner",
        conversation_id=f"trip-{rng.getrandbits(32):08x}",
        end_user_id=f"traveller-{rng.randint(1, 25)}",
    )
    with scribe.step("agent.trip_planner", "agent", input_data={"messages": [said("user", wish)]}) as root:
        messages = [said("system", _SYSTEM), said("user", wish)]
        outline = said("assistant", f"I'll look at {', then '.join(route[:towns])} and compare trains before hotels.")
        scribe.completion("claude-sonnet-4-5", list(messages), outline)
        messages.append(outline)
        for town in route[:towns]:
            messages.append(said("assistant", _town(scribe, town, steps)))
        total = rng.randint(540, 880)
        answer = (
            f"Here is your plan, {total} € for both, trains and rooms included.\n\n"
            + "\n".join(f"Day {day}: {text}" for day, text in enumerate(_DAYS[: towns + 1], 1))
            + "\n\nI've held the seats until tomorrow at noon. Shall I book?"
        )
        scribe.completion("claude-sonnet-4-5", list(messages), said("assistant", answer), ms=5_200)
        root["output_data"] = {"messages": [said("assistant", answer)]}
    return [scribe.spans]


def _town(scribe: Scribe, town: str, steps: int) -> str:
    """Three specialists look after one town: connections and rooms with tools, days out from the guide."""
    with scribe.step(f"agent.{town.lower()}", "agent", input_data={"town": town, "nights": 2}) as agent:
        trains = [
            {"train": f"IC {scribe.rng.randint(100, 799)}", "departs": "08:14", "arrives": "11:02", "price_eur": 34.9},
            {"train": f"RE {scribe.rng.randint(100, 799)}", "departs": "09:40", "arrives": "13:31", "price_eur": 19.0},
        ]
        with scribe.step("agent.trains", "agent", input_data={"to": town}) as trains_agent:
            _loop(
                scribe,
                "gpt-4o-mini",
                f"Find trains to {town} before noon.",
                "search_trains",
                {"to": town},
                trains,
                steps,
            )
            trains_agent["output_data"] = trains[0]
        hotels = [{"hotel": "Casa do Rio", "price_eur": 96, "rating": 8.9}, {"hotel": "Hotel Nova", "price_eur": 71}]
        with scribe.step("agent.hotels", "agent", input_data={"town": town}) as hotels_agent:
            trouble = {"error_type": "TimeoutError", "error_message": "the hotel search did not answer within 5 s"}
            if scribe.rng.random() < 0.5:
                scribe.tool("search_hotels", {"town": town, "max_eur": 110}, None, 5_000, **trouble)
            asked = {"town": town, "max_eur": 110}
            _loop(
                scribe, "gemini-2.5-flash", f"Find a quiet room in {town}.", "search_hotels", asked, hotels, steps - 1
            )
            hotels_agent["output_data"] = hotels[0]
        query = f"{town}: what to see in two days"
        scribe.embedding(query)
        guide = [
            {"title": f"{town} on foot", "score": 0.86, "text": _DAYS[0]},
            {"title": "By the water", "score": 0.71},
        ]
        scribe.retrieval(query, guide, index="city-guides")
        for source in ("weather", "events"):
            outcome = {"town": town, "summary": "dry, 17 to 22 °C" if source == "weather" else "opera on Friday, 19:30"}
            scribe.tool(f"get_{source}", {"town": town}, outcome, 210, meanwhile=True)
        scribe.wait(260)
        summary = f"{town}: take {trains[0]['train']} at 08:14, stay at {hotels[0]['hotel']}. {_DAYS[0]}"
        scribe.completion("gpt-4o-mini", [said("user", f"Sum up {town}.")], said("assistant", summary))
        agent["output_data"] = {"summary": summary}
    return summary


def _loop(scribe: Scribe, model: str, task: str, tool: str, asked: dict[str, Any], found: Any, steps: int) -> None:
    """The usual agent's loop: ask the model, call the tool, tell the model, until it is content."""
    messages = [said("system", _SYSTEM), said("user", task)]
    for number in range(steps - 1):
        call_id = f"call_{scribe.hex(8)}"
        arguments = {**asked, "page": number + 1}
        wish = said("assistant", "", call(call_id, tool, arguments))
        scribe.completion(model, list(messages), wish)
        scribe.tool(tool, arguments, {"results": found}, 640)
        messages += [wish, result(call_id, tool, {"results": found})]
    scribe.completion(
        model, list(messages), said("assistant", "The first result fits best: early, quiet and in budget.")
    )

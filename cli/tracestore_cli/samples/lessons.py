"""A lesson writer for teachers: plan, write, check and score, as lesson traces with a lesson id on their root."""

from datetime import datetime
from random import Random
from typing import Final

from tracestore_cli.samples import Trace
from tracestore_cli.samples.trace_writer import TraceWriter, message

_SYSTEM: Final = (
    "You write lessons for teachers. Use plain words that fit the grade, one idea a paragraph, an example from the "
    "pupils' own world, and no more than 180 words a section. End each section with one question that has no yes-or-no "
    "answer."
)
_LESSONS: Final = (
    (
        "Photosynthesis",
        7,
        ("What a leaf needs", "From light to sugar", "Why forests matter"),
        "A leaf is a small kitchen. Light brings the energy, water comes up from the roots, and carbon dioxide enters "
        "through tiny mouths on the underside. In the green chlorophyll the leaf joins them into sugar, and gives "
        "away the oxygen that is left over. Hold a houseplant's leaf against a window: the thin veins are its water "
        "pipes. What would happen to a plant whose leaves you painted with varnish?",
    ),
    (
        "Adding fractions",
        5,
        ("Slices of one pizza", "Finding a common denominator", "Fractions in recipes"),
        "You cannot add thirds to quarters as they are, just as you cannot count apples in bananas. First cut both "
        "pizzas into pieces of one size: twelfths. One third is four of them, one quarter is three, so together you "
        "have seven twelfths. How would you explain to a friend why the answer isn't two sevenths?",
    ),
    (
        "The French Revolution",
        9,
        ("Bread and debts", "The summer of 1789", "Who gained, who lost"),
        "In the spring of 1789 a loaf of bread cost a mason most of his day's pay, while the king's debts ate half of "
        "what the state took in. When the estates met at Versailles, the third of them spoke for almost everybody and "
        "could be outvoted by the other two. Which of these two troubles, the bread or the votes, would have angered "
        "you more, and why?",
    ),
    (
        "Die Gletscher der Alpen",
        8,
        ("Wie ein Gletscher entsteht", "Spuren im Tal", "Was sich gerade ändert"),
        "Ein Gletscher beginnt mit Schnee, der den Sommer überdauert. Schicht um Schicht drückt er sich selbst zu "
        "Eis, bis es so schwer ist, dass es langsam talwärts fließt – am Aletsch etwa 180 Meter im Jahr. Unterwegs "
        "hobelt es Täler zu einem breiten „U“. Woran würdest du in einer Landschaft erkennen, dass hier einmal Eis "
        "lag?",
    ),
    (
        "Loops in Python",
        8,
        ("Doing things again", "for and while", "A little drawing robot"),
        "A computer never gets bored. Instead of writing `print('hello')` ten times, you tell it once what to repeat: "
        "`for turn in range(10): print('hello')`. The indented lines are the ones that come back. Ask yourself before "
        "each loop: what changes from one turn to the next? How would you make the robot draw a triangle instead of a "
        "square?",
    ),
)
_MODELS: Final = ("claude-sonnet-4-5", "gpt-4o", "gemini-2.5-flash")
_OVERLOADED: Final = {
    "error_type": "OverloadedError",
    "error_message": "503: the provider is overloaded, try again later",
}
_TIMEOUT: Final = {
    "error_type": "TimeoutError",
    "error_message": "the provider did not answer within 60 s; the request was given up",
}


def lesson(rng: Random, start: datetime) -> list[Trace]:
    """A finished lesson: an outline, its sections, a safety check and a score."""
    return _write(rng, start)


def lesson_fallback(rng: Random, start: datetime) -> list[Trace]:
    """A finished lesson whose first provider is overloaded, so that another one writes it."""
    return _write(rng, start, overloaded=True)


def lesson_timeout(rng: Random, start: datetime) -> list[Trace]:
    """A lesson that fails on its second section, because the provider never answers."""
    return _write(rng, start, timeout_at=1)


def lesson_pending(rng: Random, start: datetime) -> list[Trace]:
    """An unfinished lesson: its root and its latest call have no end yet."""
    [spans] = _write(rng, start)
    root, outline, section = spans[:3]
    for span in (root, section):
        for name in ("end_time", "output_data", "output_tokens", "input_tokens"):
            span.pop(name, None)
    return [[root, outline, section]]


def _write(rng: Random, start: datetime, *, timeout_at: int | None = None, overloaded: bool = False) -> list[Trace]:
    title, grade, sections, text = rng.choice(_LESSONS)
    lesson_id = f"lesson-{title.lower().replace(' ', '-')}-{grade}"
    writer = TraceWriter(
        rng,
        start,
        service="lesson-writer",
        reports_cost=False,
        lesson_id=lesson_id,
        end_user_id=f"teacher-{rng.randint(1, 12)}",
        conversation_id=f"{lesson_id}-{rng.getrandbits(24):06x}",
    )
    wish = f"Write a lesson on “{title}” for grade {grade}."
    request = {"prompt": wish, "topic": title, "grade": grade}
    with writer.step("lesson.generate", "lesson", input_data=request, metadata={"template": "three-sections"}) as root:
        model, other_model = rng.sample(_MODELS, 2)
        plan = "\n".join(f"{number}. {section}" for number, section in enumerate(sections, 1))
        messages = [message("system", _SYSTEM), message("user", f"{wish} Outline first.")]
        if overloaded:
            writer.completion(other_model, messages, None, ms=900, **_OVERLOADED)
        writer.completion(model, messages, message("assistant", plan))
        messages += [message("assistant", plan)]
        written: list[str] = []
        for number, section in enumerate(sections):
            messages = [*messages, message("user", f"Now write section {number + 1}, “{section}”.")]
            if number == timeout_at:
                writer.completion(model, messages, None, ms=60_000, **_TIMEOUT)
                root.update(_TIMEOUT)
                break
            reply = message("assistant", f"## {section}\n\n{text}")
            writer.completion(model, messages, reply, ms=rng.randint(2_600, 6_200))
            messages = [*messages, reply]
            written.append(section)
        else:
            verdict = {"safe": True, "categories": []}
            writer.leaf("guardrail.child_safety", "guardrail", 90, input_data={"chars": 2_140}, output_data=verdict)
            score = {"readability_grade": grade + rng.choice((-1, 0, 0, 1)), "facts_checked": 6, "score": 0.92}
            writer.leaf("evaluation.readability", "evaluation", 340, output_data=score)
            root["output_data"] = {"title": title, "sections": written, "content": f"# {title}\n\n{plan}\n\n{text}"}
    return [writer.spans]

"""Ten questions about a run of an agent, with the shortest path to the answer that we know in each of two pages.

Every click, hover, drag, key and scroll by a screen is one interaction. So is a scroll to an end, as a reader drags the
scrollbar there. A question is answered when the text of its answer is visible: inside the window, not cut off and not
covered.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

ANSWER_S: Final = 20.0
"""A page may take this long to show what an interaction asked for, on a busy machine."""
_SCROLLS_MOST: Final = 40

_IS_SEEN: Final = """(element, source) => {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const nodes = [];
  let text = "";
  while (walker.nextNode()) {
    nodes.push([walker.currentNode, text.length]);
    text += walker.currentNode.data;
  }
  const placed = (offset) => {
    const [node, start] = nodes.findLast(([, begin]) => begin <= offset);
    return [node, offset - start];
  };
  return [...text.matchAll(new RegExp(source, "gs"))].some((match) => {
    const range = document.createRange();
    range.setStart(...placed(match.index));
    const [last, index] = placed(match.index + match[0].length - 1);
    range.setEnd(last, index + 1);
    const boxes = [...range.getClientRects()].filter((box) => box.width > 0);
    const tips = [];  // a tip lets the pointer through, and would not be found
    for (let above = last.parentElement; above !== null; above = above.parentElement) {
      if (getComputedStyle(above).pointerEvents === "none") {
        above.style.pointerEvents = "auto";
        tips.push(above);
      }
    }
    const isSeen = boxes.length > 0 && boxes.every((box) =>
      [box.left + 1, (box.left + box.right) / 2, box.right - 1].every((x) => {
        const top = document.elementFromPoint(x, (box.top + box.bottom) / 2);
        return top !== null && element.contains(top);
      }),
    );
    for (const tip of tips) tip.style.pointerEvents = "";
    return isSeen;
  });
}"""
"""Whether a text of an element is on top at the left, in the middle and at the right of each of its lines."""


class Unanswered(Exception):
    """The answer did not become visible, or the way to it was not there. The message is the reason."""


@dataclass
class Hand:
    """A reader's hand on one page, which counts what it does."""

    page: Any
    interactions: int = 0

    def click(self, target: Any) -> None:
        target.click(timeout=ANSWER_S * 1e3)
        self.interactions += 1

    def hover(self, target: Any) -> None:
        """Move the pointer over an element as a hand does: some cards do not open where it appears out of nowhere."""
        target.scroll_into_view_if_needed(timeout=ANSWER_S * 1e3)
        box = target.bounding_box()
        self.page.mouse.move(0, 0)
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=8)
        self.interactions += 1

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.interactions += 1

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move(*end, steps=8)
        self.page.mouse.up()
        self.interactions += 1

    def scroll(self, over: tuple[int, int], height: int) -> None:
        """Turn the wheel over a place: by a screen at most, or to an end."""
        self.page.mouse.move(*over)
        self.page.mouse.wheel(0, height)
        self.interactions += 1

    def scroll_to(self, target: Any, text: str, over: tuple[int, int], height: int) -> None:
        """Scroll by a screen until a text is visible."""
        for _ in range(_SCROLLS_MOST):
            if self.sees(target, text, within_s=1.5):
                return
            self.scroll(over, height)
        raise Unanswered(f"{text} is not within {_SCROLLS_MOST} screens")

    def sees(self, target: Any, text: str, within_s: float = ANSWER_S) -> bool:
        """Whether a text of one of these elements becomes visible. `text` is a regular expression."""
        deadline = time.monotonic() + within_s
        while True:
            if any(element.evaluate(_IS_SEEN, text) for element in target.element_handles()):
                return True
            if time.monotonic() > deadline:
                return False
            self.page.wait_for_timeout(100)


@dataclass(frozen=True)
class Path:
    """The steps of a reader, which end at the elements with the answer; and the answer, a regular expression."""

    walk: Callable[[Hand], Any]
    answer: str


@dataclass(frozen=True)
class Question:
    """A question with its path in this page and in that of Phoenix."""

    text: str
    here: Path
    there: Path


def interactions(page: Any, path: Path) -> int:
    """The interactions until the answer is visible. *raises*: Unanswered."""
    from playwright.sync_api import Error

    hand = Hand(page)
    try:
        found = path.walk(hand)
    except Error as error:
        raise Unanswered(error.message.splitlines()[0]) from error
    if not hand.sees(found, path.answer):
        raise Unanswered(f"{path.answer} is not visible")
    return hand.interactions


def _summary(hand: Hand) -> Any:
    """The second line of the header of a trace."""
    return hand.page.locator(".subject .second")


def _steps(hand: Hand) -> Any:
    """The rows of the steps of the run in this page."""
    return hand.page.locator(".tree [id^='node-step:']")


def _turn_here(hand: Hand) -> Any:
    hand.click(hand.page.locator(".subject").get_by_role("link", name=re.compile("^conversation")))
    hand.click(hand.page.get_by_role("button", name="Turn 7", exact=True))
    return hand.page.get_by_role("region", name="Turn 7", exact=True)


def _slowest_here(hand: Hand) -> Any:
    hand.click(_steps(hand).nth(8).locator(".collapse"))
    return hand.page.locator(".tree [role=row]").filter(has_text="9.40 s")


def _new_here(hand: Hand) -> Any:
    hand.click(_steps(hand).nth(10))
    hand.press("t")
    hand.sees(hand.page.get_by_role("region", name="Transcript"), "Call 12: 35 messages")
    return hand.page.locator(".transcript .tool")


def _arguments_here(hand: Hand) -> Any:
    hand.click(_steps(hand).first)
    return hand.page.locator(".details tr")


_TREE: Final = (460, 500)
_DETAILS: Final = (900, 600)
_SCREEN: Final = 560
_END: Final = 20_000
"""In a window of 1,280 by 800 pixels, in Phoenix: over the tree, over the details, a screen of either, and the end."""


def _calls(hand: Hand) -> Any:
    """The model calls in the tree of Phoenix."""
    return hand.page.locator("[role=button]").filter(has=hand.page.locator("[title=llm]"))


def _wide_tree(hand: Hand, answer: str) -> Any:
    """Widen the tree of Phoenix, which then shows durations, tokens and costs, and scroll to an answer in it."""
    hand.drag((608, 500), (900, 500))
    rows = hand.page.locator(".span-node-wrap")
    hand.scroll_to(rows, answer, _TREE, _SCREEN)
    return rows


def _turn_there(hand: Hand) -> Any:
    hand.click(hand.page.get_by_text("View Session"))
    listed = hand.page.get_by_role("option").filter(has_text="Question 6")
    listed.wait_for(state="attached", timeout=ANSWER_S * 1e3)
    hand.scroll_to(listed, "Question 6", (420, 500), _SCREEN)
    hand.click(listed)
    return hand.page.get_by_role("tabpanel").locator("p")


def _new_there(hand: Hand) -> Any:
    hand.scroll(_TREE, _END)
    hand.click(_calls(hand).nth(11))
    hand.page.get_by_text("Tool Result: call_9_1").last.wait_for(state="attached", timeout=ANSWER_S * 1e3)
    hand.scroll(_DETAILS, _END)
    results = hand.page.locator(".cm-content")
    hand.scroll_to(results, "ref-9-1", _DETAILS, -_SCREEN)
    return results


def _hovered_call(hand: Hand, number: int) -> Any:
    """The card of a call, which Phoenix shows next to its row under the pointer."""
    hand.hover(_calls(hand).nth(number))
    return hand.page.locator("body")


def _model_there(hand: Hand) -> Any:
    hand.click(_calls(hand).first)
    return hand.page.get_by_text("gpt-4o-mini-2024-07-18")


def _arguments_there(hand: Hand) -> Any:
    hand.click(hand.page.get_by_text("find_trains", exact=True).first)
    return hand.page.locator(".cm-content")


def _stack_there(hand: Hand) -> Any:
    hand.click(_calls(hand).nth(4))
    hand.click(hand.page.get_by_role("tab", name="Events"))
    hand.click(hand.page.get_by_text("exception", exact=True).first)
    return hand.page.locator("body")


QUESTIONS: Final = (
    Question(
        "Which call failed first?",
        Path(lambda hand: _steps(hand).nth(4), "openai.*✕"),
        Path(lambda hand: _calls(hand).filter(has=hand.page.get_by_label("ERROR")).first, "ChatCompletion"),
    ),
    Question(
        "What did the user ask in turn 7?",
        Path(_turn_here, r"Question 6: what should we see in Sintra\?"),
        Path(_turn_there, r"Question 6: what should we see in Sintra\?"),
    ),
    Question(
        "Which tool was the slowest?",
        Path(_slowest_here, "exchange_rate"),
        Path(lambda hand: _wide_tree(hand, r"9\.4s"), "exchange_rate"),
    ),
    Question(
        "What did the retry cost?",
        Path(lambda hand: _summary(hand).locator(".wasted"), r"\$0\.00015 wasted"),
        Path(lambda hand: _hovered_call(hand, 4), r"\$0\.0001"),
    ),
    Question("What is new in call 12's prompt?", Path(_new_here, r"found.*ref-9-1"), Path(_new_there, "ref-9-1")),
    Question(
        "Which model served the calls?",
        Path(lambda hand: _summary(hand).locator(".models"), "gpt-4o-mini-2024-07-18"),
        Path(_model_there, "gpt-4o-mini-2024-07-18"),
    ),
    Question(
        "Which share of the input was cached?",
        Path(_summary, "75 % cached"),
        Path(lambda hand: _hovered_call(hand, 0), "Cache read"),
    ),
    Question(
        "Which call was the most expensive?",
        Path(lambda hand: _steps(hand).nth(9), r"\$0\.0046"),
        Path(lambda hand: _wide_tree(hand, "48,120"), "48,120"),
    ),
    Question(
        "Which arguments did the first tool get?",
        Path(_arguments_here, "ref-0-0"),
        Path(_arguments_there, "ref-0-0"),
    ),
    Question(
        "Where was the error raised?",
        Path(lambda hand: hand.page.locator(".details"), r"agent/tools\.py"),
        Path(_stack_there, r"agent/tools\.py"),
    ),
)

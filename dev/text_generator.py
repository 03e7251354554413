"""Seeded text that compresses like prompts: zstd makes a span about 2.0 to 2.6 times smaller.

Words follow Zipf's law, with the words of a topic more frequent. Repeated filler text would compress too well.
"""

import re
from bisect import bisect
from itertools import accumulate
from random import Random
from typing import Any, Final

_WORDS: Final[list[str]] = re.findall(
    r"\w+",
    """
the to and of a in is for that it on you with this be as are we not or your from can by have will if an at was which one
has all when they our but there their so more then should about would do any only into use also what each customer order
please than data been new same first could after time value no because how were need request some its report user field
account case before where check other team change find who table make over does between results these price must number
two just both current system response still while result here error per list well following step next page during them
day keep date last total message service product may records show works against query model since find set state test up
based without open week same three call version delivery called right available provide amount missing usually write
invoice whether however possible once start note three cost shipment read file review explain return value source rather
required support example status works under answer point until second returns another ask month given shows plan
address means details context section question item expected limit refund agreement contract function short several
already sure different clear often line window below summary policy period move option enough main least above through
believe warehouse carrier parcel cancelled confirmed replacement discount subscription renewal upgrade payment charged
twice gateway timeout retry queue worker deployment rollback migration schema index latency throughput percentile outage
alert dashboard threshold budget forecast quarter revenue margin supplier inventory stock backlog estimate milestone
deadline stakeholder meeting agenda decision owner blocker draft approve reject comment revision branch commit merge
conflict pipeline coverage regression assertion fixture endpoint parameter header payload token cursor cache expiry
permission scope tenant audit policy breach consent retention encryption certificate rotation incident mitigation
photosynthesis chlorophyll energy molecule glucose oxygen carbon cycle reaction membrane lesson teacher pupil exercise
vocabulary grammar sentence essay paragraph history revolution empire treaty parliament railway harvest climate glacier
temperature rainfall river delta population density migration fraction decimal equation triangle angle radius proof
theorem variable graph slope probability sample median variance hypothesis evidence experiment observation conclusion
flight hotel booking itinerary luggage airport terminal connection visa passport museum harbour restaurant vegetarian
allergy reservation cathedral market ferry hiking coastline sunset budget currency insurance traveller
patient symptom dosage clinic appointment prescription diagnosis treatment recovery insurance referral
kitchen recipe oven flour butter garlic pepper simmer whisk portion battery charger screen cable adapter firmware
keyboard bluetooth headset warranty serial defect repair technician manual diagram screw bracket hinge panel
consider describe compare suggest recommend verify calculate translate summarise extract classify rewrite shorten
expand format convert validate generate schedule remind notify escalate assign resolve close reopen track measure
improve reduce increase prevent allow avoid include remove replace combine separate continue complete prepare deliver
carefully immediately recently approximately separately correctly automatically manually directly properly quickly
important relevant specific general previous additional original average annual common complex consistent empty
exact external final full global high internal large late local long low maximum minimum negative optional partial
positive primary public recent regular remote secure separate similar simple small stable strict strong temporary
typical unique unknown urgent useful valid weak wrong yesterday tomorrow morning afternoon evening Monday Thursday
although unless whenever therefore instead meanwhile otherwise somewhere everything nothing someone anybody themselves
""",
)
"""By decreasing frequency: function words, then words of the fields that these applications serve."""

_PHRASES: Final = (
    "in order to",
    "for example,",
    "based on the information",
    "let me know if",
    "according to our records,",
    "you can find",
    "as soon as possible",
    "it looks like",
    "please make sure that",
    "the following steps",
    "on the other hand,",
    "at the moment",
    "in addition,",
    "if you have any questions",
    "the status of your",
    "we recommend",
    "take a look at",
    "as a result,",
    "does not match",
    "in this case,",
    "a few minutes",
    "the most recent",
    "should be able to",
    "I would like to",
    "Thank you for",
    "at least one of",
    "as shown above",
)
_NAMES: Final = (
    "Amara Okafor",
    "Jonas Weber",
    "Priya Raman",
    "Lucía Fernández",
    "Tom Ashworth",
    "Mei Tanaka",
    "Oleksandr Bondar",
    "Sofie Lindqvist",
    "Karim Haddad",
    "Nia Roberts",
    "Mateus Silva",
    "Hannah Goldberg",
    "Piotr Zieliński",
    "Chloé Laurent",
    "David Kim",
    "Fatima Noor",
)
_PLACES: Final = (
    "Lisbon",
    "Hamburg",
    "Leeds",
    "Osaka",
    "Toronto",
    "Nairobi",
    "Gdańsk",
    "Valencia",
    "Denver",
    "Bergen",
    "Lyon",
    "Pune",
)
_GOODS: Final = (
    "kettle",
    "desk lamp",
    "rain jacket",
    "trail shoes",
    "noise-cancelling headset",
    "USB-C dock",
    "oat milk",
    "yoga mat",
)
_CUMULATIVE: Final = list(accumulate(1 / (rank + 4) for rank in range(len(_WORDS))))
"""Zipf's law, flattened at the head as it is in real text."""


class TextGenerator:
    """A generator of text about one topic, like the messages of one conversation: its words and phrases recur.

    The sentences contain words, stock phrases, names, numbers, references, paragraphs and lists.
    """

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.topic = [rng.choice(_WORDS[60:]) for _ in range(24)]
        self.phrases = rng.sample(_PHRASES, 8)

    def text(self, length: int) -> str:
        """A text of `length` bytes, cut at that length."""
        sentences: list[str] = []
        size = 0
        while size < length:
            sentences.append(self.sentence())
            size += len(sentences[-1].encode()) + 1
        text = " ".join(sentences).replace("¶ ", "\n\n").replace("• ", "\n- ").replace("¶", "").replace("•", "")
        return text.encode()[:length].decode(errors="ignore")

    def sentence(self) -> str:
        """A sentence of 5 to 16 words."""
        rng = self.rng
        words = [self.word() for _ in range(rng.randint(5, 16))]
        if rng.random() < 0.5:
            words[rng.randrange(len(words))] = rng.choice(self.phrases)
        if rng.random() < 0.4:
            words[rng.randint(1, len(words) - 1)] = self.particular()
        if len(words) > 9:
            words[rng.randint(3, 7)] += ","
        end = rng.choices((".", "?", ":", ".¶", ".•"), (70, 8, 4, 8, 6))[0]
        return words[0][0].upper() + words[0][1:] + " " + " ".join(words[1:]) + end

    def word(self) -> str:
        """A word, often one of the topic."""
        if self.rng.random() < 0.38:
            return self.rng.choice(self.topic)
        return _WORDS[bisect(_CUMULATIVE, self.rng.random() * _CUMULATIVE[-1])]

    def words(self, count: int) -> str:
        """So many words."""
        return " ".join(self.word() for _ in range(count))

    def particular(self) -> str:
        """A name, a number, a date or a reference: the parts of a text that compress worst."""
        rng = self.rng
        match rng.randrange(6):
            case 0:
                return rng.choice(_NAMES)
            case 1:
                return f"{rng.uniform(1, 900):.2f}"
            case 2:
                return f"{rng.randint(1, 28)} {rng.choice(('March', 'June', 'October'))}"
            case 3:
                return f"#{rng.randint(10_000, 99_999)}"
            case 4:
                return rng.choice(_PLACES)
            case _:
                return f"`{self.word()}_{self.word()}`"

    def row(self) -> dict[str, Any]:
        """One row of a tool's JSON result."""
        rng = self.rng
        return {
            "order_id": f"ORD-{rng.randint(100_000, 999_999)}",
            "customer": rng.choice(_NAMES),
            "item": rng.choice(_GOODS),
            "quantity": rng.randint(1, 4),
            "amount": round(rng.uniform(4, 380), 2),
            "shipped_at": f"2026-{rng.randint(1, 10):02}-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:41:00Z",
            "city": rng.choice(_PLACES),
            "note": self.words(rng.randint(4, 9)),
        }

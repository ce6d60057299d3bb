"""The demo's traffic: support tickets with repeats, mishaps, personal data and what customers say of the answers.

The same ones for the same seed.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

__all__ = ["Mishap", "Ticket", "Verdict", "tickets"]

REPEAT_SHARE: Final = 0.30
RATED_EVERY: Final = 10


class Mishap(StrEnum):
    """What goes wrong with a call."""

    none = "none"
    unknown_customer = "unknown_customer"
    outage = "outage"
    garbled = "garbled"
    empty_reply = "empty_reply"
    costly = "costly"
    slow = "slow"


SHARES: Final = {
    Mishap.unknown_customer: 0.04,  # the program raises, with an address in the error
    Mishap.outage: 0.04,  # the model raises
    Mishap.garbled: 0.02,  # the model's answer cannot be parsed
    Mishap.empty_reply: 0.03,
    Mishap.costly: 0.01,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a customer says of an answer, as `headrace.feedback` takes it."""

    score: float
    label: str
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """One call of the program.

    Attributes:
        request_id: the same for the same position, so that the same calls are sampled in every run.
        customer: whose data it is.
        text: what the customer wrote.
        mishap: what will go wrong.
        verdict: what the customer will say of the answer, if anything.
    """

    request_id: str
    customer: str
    text: str
    mishap: Mishap = Mishap.none
    verdict: Verdict | None = None


def tickets(count: int, seed: int = 7) -> list[Ticket]:
    """Return `count` tickets; about 30% repeat an earlier one, about 10% fail, a few are slow.

    Every tenth answer, the first among them, is rated by its customer.
    """
    chance = random.Random(seed)  # noqa: S311  # made-up traffic
    slow_every = max(count // min(12, max(1, count // 50)), 1)
    made: list[Ticket] = []
    for position in range(count):
        request_id = f"demo-{seed}-{position:06}"
        slow = position % slow_every == slow_every // 2
        if made and not slow and chance.random() < REPEAT_SHARE:
            earlier = chance.choice(made)
            made.append(Ticket(request_id, earlier.customer, earlier.text, _mishap(chance)))
            continue
        customer = f"customer-{chance.randrange(max(count // 4, 1))}"
        made.append(Ticket(request_id, customer, _text(chance), Mishap.slow if slow else _mishap(chance)))
    saying = random.Random(seed)  # noqa: S311
    return [replace(each, verdict=None if at % RATED_EVERY else _verdict(saying)) for at, each in enumerate(made)]


def _mishap(chance: random.Random) -> Mishap:
    return chance.choices([*SHARES, Mishap.none], [*SHARES.values(), 1 - sum(SHARES.values())])[0]


_PRODUCTS: Final = ("kettle", "desk lamp", "rain jacket", "headset", "bicycle pump", "camp stove", "backpack", "radio")
_PROBLEMS: Final = (
    "arrived with a broken {product}",
    "still has not arrived, although the {product} was due last week",
    "was charged twice for one {product}",
    "shows an invoice without the discount for the {product}",
    "cannot be seen since I cannot log in to my account any more",
    "came with the wrong size of {product}",
    "has a {product} that does not switch on",
)
_MOODS: Final = ("Please help.", "This is urgent!", "No hurry.", "It is the second time.", "Thanks in advance.")
_FIRST: Final = ("ada", "grace", "alan", "edsger", "barbara", "donald", "margaret", "tony", "frances", "ken")
_LAST: Final = ("lee", "moreau", "novak", "okafor", "silva", "tanaka", "weber", "young", "zhang", "jensen")
_CARDS: Final = ("4111 1111 1111 1111", "5555 5555 5555 4444", "3782 822463 10005")  # issuers' published test numbers


def _text(chance: random.Random) -> str:
    problem = chance.choice(_PROBLEMS).format(product=chance.choice(_PRODUCTS))
    order = f"A-{chance.randrange(10**6):06}"
    contact = chance.choice(_CONTACTS)(chance) if chance.random() < 0.7 else ""  # noqa: PLR2004  # a share
    return " ".join(part for part in (f"My order {order} {problem}.", contact, chance.choice(_MOODS)) if part)


def _email(chance: random.Random) -> str:
    return f"Write to {chance.choice(_FIRST)}.{chance.choice(_LAST)}@example.com."


def _phone(chance: random.Random) -> str:
    return f"Call me at +49 30 {chance.randrange(10**7, 10**8)}."


def _card(chance: random.Random) -> str:
    return f"I paid with {chance.choice(_CARDS)}."


def _address(chance: random.Random) -> str:
    return f"My address on the net is 203.0.113.{chance.randrange(1, 255)}."


def _token(chance: random.Random) -> str:
    return f"I used the key sk-{''.join(chance.choices('abcdefghijkmnpqrstuvwxyz23456789', k=40))}."


_CONTACTS: Final[tuple[Callable[[random.Random], str], ...]] = (_email, _email, _phone, _card, _address, _token)


def _verdict(chance: random.Random) -> Verdict:
    if chance.random() < 0.7:  # noqa: PLR2004  # a share
        return Verdict(1.0, "thumbs_up")
    return Verdict(0.0, "thumbs_down", f"This did not help. {_email(chance)}")

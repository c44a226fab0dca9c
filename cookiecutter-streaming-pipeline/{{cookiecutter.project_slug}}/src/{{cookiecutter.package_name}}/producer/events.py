"""Baskets as events: a sale, its payment, and the clicks before it, in the order in which they happen."""

from __future__ import annotations

import csv
import heapq
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

SALES, PAYMENTS, CLICKS = "pos.sales", "pos.payments", "pos.clicks"
TOPICS = (SALES, PAYMENTS, CLICKS)
PAGES = ("home", "search", "product", "cart", "checkout")
METHODS = ("card", "cash", "mobile")
PAID, UNDERPAID, CLICKED = 0.97, 0.01, 0.5
MOST_CLICKS = 5
#: A sale, its payment, and for every second sale a few clicks.
EVENTS_PER_SALE = 1 + PAID + CLICKED * (1 + MOST_CLICKS) / 2
LATE_BY = timedelta(minutes=30)
ANOMALY_SECONDS = 60
ANOMALY_FACTOR = 8


@dataclass(frozen=True)
class Basket:
    """A real basket.

    Args:
        basket_id: Number of the receipt.
        household_id: Household that bought.
        store_id: Store of the sale.
        items: Pieces.
        cents: What was paid, in cents.
    """

    basket_id: str
    household_id: int
    store_id: int
    items: int
    cents: int


@dataclass(frozen=True)
class Faults:
    """Shares of events that are not as they should be.

    Args:
        duplicate: Sent twice.
        poison: Not readable.
        late: Half an hour old on arrival.
        anomaly_after: Seconds after which one store sells far more for a minute; None for never.
    """

    duplicate: float = 0.01
    poison: float = 0.002
    late: float = 0.0
    anomaly_after: float | None = None


@dataclass(frozen=True, order=True)
class Event:
    """Something that happened, ready to be sent.

    Args:
        at: When it is sent.
        number: Orders events of the same moment.
        topic: Where to.
        key: Events of the same key keep their order.
        value: JSON, or poison.
    """

    at: datetime
    number: int
    topic: str
    key: str
    value: bytes


def read_baskets(path: Path) -> list[Basket]:
    """Read baskets from CSV: basket_id, household_id, store_id, items, amount."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Basket(
                basket_id=row["basket_id"],
                household_id=int(row["household_id"]),
                store_id=int(row["store_id"]),
                items=int(row["items"]),
                cents=round(float(row["amount"]) * 100),
            )
            for row in csv.DictReader(file)
        ]


def events(
    baskets: Sequence[Basket], start: datetime, rate: float, *, run: str, faults: Faults | None = None, seed: int = 1
) -> Iterator[Event]:
    """Yield events without end, in the order of their time; the same arguments give the same events.

    Args:
        baskets: Replayed in a circle.
        start: Time of the first sale, with time zone.
        rate: Events a second, on average.
        run: Distinguishes the sales of several replays.
        faults: What goes wrong on purpose.
        seed: Of everything that is drawn.
    """
    faults, chance, numbers = faults or Faults(), random.Random(seed), itertools.count()
    waiting: list[Event] = []
    for number, basket in enumerate(itertools.cycle(baskets)):
        at = start + timedelta(seconds=number * EVENTS_PER_SALE / rate)
        while waiting and waiting[0].at <= at:
            yield heapq.heappop(waiting)
        rush = baskets[0].store_id if _in_anomaly(at - start, faults) else None
        for topic, moment, content in _of_sale(basket, f"{run}-{number}", at, rush, chance):
            for event in _sent(topic, moment, content, numbers, faults, chance):
                heapq.heappush(waiting, event)


def _in_anomaly(since: timedelta, faults: Faults) -> bool:
    begin = faults.anomaly_after
    return begin is not None and begin <= since.total_seconds() < begin + ANOMALY_SECONDS


def _of_sale(
    basket: Basket, sale: str, at: datetime, rush: int | None, chance: random.Random
) -> Iterator[tuple[str, datetime, dict[str, object]]]:
    cents = basket.cents * (1 if rush is None else ANOMALY_FACTOR)
    # In an anomaly every customer is in the same store.
    store = basket.store_id if rush is None else rush
    content = {"sale_id": sale, "store_id": store, "household_id": basket.household_id, "items": basket.items}
    yield SALES, at, {**content, "receipt": basket.basket_id, "amount": f"{cents / 100:.2f}"}
    draw = chance.random()
    if draw < PAID:
        paid = cents // 2 if draw < UNDERPAID else cents
        moment = at + timedelta(seconds=chance.uniform(1, 20))
        method = chance.choice(METHODS)
        what = {"payment_id": f"p-{sale}", "sale_id": sale, "method": method}
        yield PAYMENTS, moment, {**what, "amount": f"{paid / 100:.2f}"}
    if chance.random() < CLICKED:
        for click in range(chance.randint(1, MOST_CLICKS)):
            moment = at + timedelta(seconds=3 * click + chance.random())
            seen = {"household_id": basket.household_id, "page": PAGES[click]}
            yield CLICKS, moment, {"click_id": f"c-{sale}-{click}", **seen}


def _sent(
    topic: str, at: datetime, content: dict[str, object], numbers: Iterator[int], faults: Faults, chance: random.Random
) -> Iterator[Event]:
    happened = at - LATE_BY if chance.random() < faults.late else at
    value = json.dumps({**content, "event_time": happened.isoformat(timespec="milliseconds")}).encode()
    if chance.random() < faults.poison:
        value = value[: len(value) // 2]
    key = str(content.get("store_id") or content.get("sale_id") or content["household_id"])
    for _ in range(2 if chance.random() < faults.duplicate else 1):
        yield Event(at, next(numbers), topic, key, value)

"""What else happens in a bad day: products that are taken off, a kill file that appears, a process that ends."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from core.model.market import Product, ProductId
from runner.adapters.simulated_coinbase.routes import Endpoint
from tests.loopback.live_desk import LiveDesk

KILL_TEXTS = ("", "stop", "cancel-all")
LONGEST_MINUTES = 12.0
"""No trouble lasts longer, so none begins later than this before the end of the bad part."""

REQUESTS_OF_A_CYCLE = 40
"""About so many requests a busy minute has: a moment among them is drawn."""


def trouble_products(desk: LiveDesk, minutes: int, *, every: float) -> Counter[str]:
    """Delist, flag or change a product now and then, rather one that is held; each is restored a while later."""
    done: Counter[str] = Counter()
    moment = desk.draw.uniform(0.3, 1.0) * every
    while moment < minutes - LONGEST_MINUTES:
        until = moment + desk.draw.uniform(2.0, LONGEST_MINUTES)
        desk.at(moment, _trouble(desk, desk.draw.choice(list(_CHANGES)), until, done))
        moment = until + desk.draw.uniform(0.5, 1.5) * every
    return done


def _trouble(desk: LiveDesk, name: str, until: float, done: Counter[str]) -> Callable[[], None]:
    def begin() -> None:
        product_id = change_product(desk, name, desk.draw)
        if product_id is not None:
            done[name] += 1
            desk.at(until, lambda: desk.exchange.market.restore(product_id))

    return begin


def change_product(desk: LiveDesk, name: str, draw: random.Random) -> ProductId | None:
    """Change some product, rather one that is held; return which, None when the one that was drawn is not listed."""
    market, product_id = desk.exchange.market, _a_product(desk, draw)
    product = market.product(product_id)
    if product is None:
        return None
    if name == "delisted":
        market.delist(product_id)
    elif name == "without a book":
        market.lose_book(product_id)
    else:
        market.change(_CHANGES[name](product))
    return product_id


def _unchanged(product: Product) -> Product:
    return product


_CHANGES: Mapping[str, Callable[[Product], Product]] = {
    "delisted": _unchanged,
    "without a book": _unchanged,
    "cancel only": lambda product: replace(product, cancel_only=True),
    "trading disabled": lambda product: replace(product, trading_disabled=True),
    "post only": lambda product: replace(product, post_only=True),
    "limit only": lambda product: replace(product, limit_only=True),
    "coarser": lambda product: replace(
        product,
        base_increment=product.base_increment * 10,
        price_increment=product.price_increment * 10,
        base_min_size=max(product.base_min_size, product.base_increment * 10),
    ),
}


PRODUCT_CHANGES = tuple(_CHANGES)


def _a_product(desk: LiveDesk, draw: random.Random) -> ProductId:
    listed = [product.product_id for product in desk.exchange.market.products() if product.product_id.quote == "USD"]
    held = [name for name in listed if desk.witness.books.bot.of(name.base) > Decimal(0)]
    return draw.choice(held if held and draw.random() < 0.7 else listed)


def touch_kill_files(desk: LiveDesk, minutes: int, *, every: float) -> Counter[str]:
    """
    Touch the kill file now and then and remove it minutes later.

    It comes in a wait, at any request of a cycle, or in the middle of an order's life: when the exchange has just
    answered to one, or to a cancel. Counted by what the exchange had just been asked.
    """
    touched: Counter[str] = Counter()
    armed: list[_Armed] = []

    def touch(where: str) -> None:
        desk.kill_file.parent.mkdir(parents=True, exist_ok=True)
        desk.kill_file.write_text(desk.draw.choice(KILL_TEXTS), "utf-8")
        touched[where] += 1

    def after_request(_number: int, endpoint: Endpoint) -> None:
        if armed and armed[0].endpoint in (None, endpoint):
            armed[0].requests -= 1
            if armed[0].requests <= 0:
                armed.clear()
                touch(endpoint.value)

    desk.witness.after_request = after_request
    moment = desk.draw.uniform(0.2, 0.6) * every
    while moment < minutes - LONGEST_MINUTES:
        kind = desk.draw.choice(("wait", "any", "order", "cancel", "order"))
        if kind == "wait":
            desk.at(moment, lambda: touch("a wait"))
        else:
            endpoint = {"order": Endpoint.CREATE, "cancel": Endpoint.CANCEL}.get(kind)
            within = desk.draw.randrange(1, 4 if endpoint else REQUESTS_OF_A_CYCLE)
            one = _Armed(within, endpoint)
            desk.at(moment, lambda one=one: armed.append(one))  # type: ignore[misc]
        until = moment + desk.draw.uniform(1.2, 8.0)
        desk.at(until, lambda: _remove_kill_file(desk, armed))
        moment = until + desk.draw.uniform(0.5, 1.5) * every
    return touched


@dataclass(slots=True)
class _Armed:
    """The kill file comes after so many requests to an endpoint (None: to any)."""

    requests: int
    endpoint: Endpoint | None


def _remove_kill_file(desk: LiveDesk, armed: list[_Armed]) -> None:
    armed.clear()
    desk.kill_file.unlink(missing_ok=True)


def cut_power_often(desk: LiveDesk, minutes: int, *, every: float) -> None:
    """Let the process end now and then at any request, before it leaves or after the exchange has acted on it."""
    moment = desk.draw.uniform(0.2, 1.0) * every
    while moment < minutes - LONGEST_MINUTES:
        after, late = desk.draw.randrange(1, REQUESTS_OF_A_CYCLE), desk.draw.random() < 0.6
        desk.at(moment, lambda after=after, late=late: desk.wire.cut_power(after_requests=after, after_the_answer=late))  # type: ignore[misc]
        moment += desk.draw.uniform(0.5, 1.5) * every


def random_moments(draw: random.Random, minutes: int, *, every: float) -> list[float]:
    """Return minutes about so far apart."""
    moments: list[float] = []
    moment = draw.uniform(0.5, 1.5) * every
    while moment < minutes:
        moments.append(moment)
        moment += draw.uniform(0.5, 1.5) * every
    return moments

"""What happens beside the deeds: faults, cuts, a kill file, an owner who trades, an exchange that hangs or dies."""

import json
import random
import urllib.error
from collections.abc import Callable, Mapping
from decimal import Decimal

from runner.adapters.simulated_coinbase.routes import Endpoint
from tests.blackbox.campaign.line import ANSWERED, ASKED, Trap
from tests.blackbox.campaign.market import BENCHMARK, COINS
from tests.blackbox.campaign.plan import Event
from tests.blackbox.campaign.scene import Scene
from tests.blackbox.exchange import start_again

OWNER = "owner-"
KILL_TEXTS = ("", "stop\n", "cancel-all\n")
OWNER_USD = Decimal(60)


class Background:
    """Begins each event when it is due, and ends it; `end_all` at the end of the storm."""

    def __init__(self, scene: Scene, events: list[Event]) -> None:
        self._scene = scene
        self._due = sorted(events, key=lambda event: event.at)
        self._ends: list[tuple[float, Callable[[], None]]] = []
        self._is_hung = False
        self.owner_orders = 0

    def run(self) -> None:
        """Do what is due at this moment."""
        now = self._scene.seconds()
        for item in [item for item in self._ends if item[0] <= now]:
            self._ends.remove(item)
            item[1]()
        while self._due and self._due[0].at <= now:
            self._begin(self._due.pop(0))

    def end_all(self) -> None:
        """End everything at once; nothing more begins."""
        self._due.clear()
        while self._ends:  # some wait for others: for an exchange that hangs to be woken
            ends, self._ends = self._ends, []
            for _, end in ends:
                end()

    def _begin(self, event: Event) -> None:
        scene = self._scene
        end = _EVENTS[event.name](self, event)
        scene.figures.events[event.name] += 1
        scene.tell(f"event: {event}")
        if end is not None:
            self._ends.append((scene.seconds() + event.seconds, end))

    # --- the exchange and the way to it -------------------------------------------------------------------------------

    def faults(self, event: Event) -> Callable[[], None]:
        span = self._scene.disturb()
        self._tell_exchange("/sim/faults", dict(event.faults))

        def end() -> None:
            if self._tell_exchange("/sim/faults", {}):
                span[1] = self._scene.now()
            else:
                self._ends.append((self._scene.seconds() + 0.2, end))  # it hangs, and keeps them for so long

        return end

    def cut(self, event: Event) -> Callable[[], None]:
        span = self._scene.disturb()
        if event.name == "cut":
            self._scene.line.cut()
        else:
            self._scene.line.freeze()

        def end() -> None:
            self._scene.line.restore()
            span[1] = self._scene.now()

        return end

    def lose(self, event: Event) -> Callable[[], None]:
        """Let the next order, or its answer, be lost on the line."""
        span = self._scene.disturb()
        phase = ASKED if event.name.endswith("request") else ANSWERED
        line = self._scene.line
        line.arm(event.name, Trap(endpoint=Endpoint.CREATE, phase=phase, left=1, loses=True, act=_nothing))

        def end() -> None:
            line.disarm(event.name)
            span[1] = self._scene.now()

        return end

    def hang(self, event: Event) -> Callable[[], None]:
        span = self._scene.disturb()
        self._scene.exchange.hang()
        self._is_hung = True

        def end() -> None:
            self._scene.exchange.wake()
            self._is_hung = False
            span[1] = self._scene.now()

        return end

    def kill_exchange(self, event: Event) -> Callable[[], None]:
        """End the exchange, and start it again a while later: its market only, as PAPER needs no more of it."""
        span = self._scene.disturb()
        self._scene.exchange.kill()

        def end() -> None:
            start_again(self._scene.exchange)
            span[1] = self._scene.now()

        return end

    # --- people -------------------------------------------------------------------------------------------------------

    def kill_file(self, event: Event) -> Callable[[], None] | None:
        scene = self._scene
        text = random.Random(event.draw).choice(KILL_TEXTS)  # noqa: S311 - a text
        if scene.files_are_away or (scene.kill_windows and scene.kill_windows[-1][1] is None):
            return None
        try:
            scene.bot.kill_file.write_text(text)
        except OSError:
            scene.bot.kill_file.unlink(missing_ok=True)  # the disk is full
            return None
        window: list[float | None] = [scene.now(), None]
        scene.kill_windows.append(window)

        def end() -> None:
            if scene.files_are_away:
                self._ends.append((scene.seconds() + 0.2, end))
                return
            window[1] = scene.now()
            scene.bot.kill_file.unlink(missing_ok=True)

        return end

    def owner_order(self, event: Event) -> None:
        """Let the account's owner buy a little, at once or far below the market, with money that is not the bot's."""
        draw = random.Random(event.draw)  # noqa: S311 - an order
        coin = draw.choice([name for name in COINS if name != BENCHMARK])
        self.owner_orders += 1
        size = (OWNER_USD / Decimal(str(COINS[coin]))).quantize(Decimal("0.001"))
        order = {
            "client_order_id": f"{OWNER}{self.owner_orders}",
            "product_id": f"{coin}-USD",
            "side": "BUY",
            "base_size": str(size),
        }
        if draw.random() < 0.6:
            order["limit_price"] = str(round(COINS[coin] * 0.9, 2))
        self._tell_exchange("/sim/order", order)

    def deposit(self, event: Event) -> None:
        amount = random.Random(event.draw).randint(1, 500)  # noqa: S311 - a deposit
        if self._tell_exchange("/sim/deposit", {"currency": "USD", "amount": str(amount)}):
            self._scene.deposited += amount

    def _tell_exchange(self, path: str, body: object) -> bool:
        """Tell the exchange something past the line; False when it is not there, or refuses."""
        if self._is_hung or self._scene.exchange.process.poll() is not None:
            return False
        try:
            self._scene.exchange.post(path, body)
        except (urllib.error.URLError, TimeoutError, json.JSONDecodeError):
            return False
        return True


def _nothing() -> None:
    """Only lose it."""


_EVENTS: Mapping[str, Callable[[Background, Event], Callable[[], None] | None]] = {
    "faults": Background.faults,
    "cut": Background.cut,
    "freeze": Background.cut,
    "lose an order's request": Background.lose,
    "lose an order's answer": Background.lose,
    "hang the exchange": Background.hang,
    "kill the exchange": Background.kill_exchange,
    "kill file": Background.kill_file,
    "owner's order": Background.owner_order,
    "deposit": Background.deposit,
}

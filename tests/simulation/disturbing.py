"""What each kind of disturbance does, and when: entered into the diary of true time before the run begins."""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

from core.model.market import ProductId
from runner.adapters.simulated_coinbase.answers import Answer
from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.routes import Endpoint, route
from runner.wire import HttpRequest
from tests.loopback.troubles import change_product
from tests.simulation import damage, files_that_fail
from tests.simulation.loss_watch import LossWatch
from tests.simulation.plan import Disturbance
from tests.simulation.windowed_faults import Window
from tests.simulation.world import ArmedCrash, Defect, World

Enter = Callable[[World, Disturbance], None]


def draw_of(item: Disturbance) -> random.Random:
    """Return the generator of what a disturbance draws when it strikes."""
    return random.Random(item.salt)  # noqa: S311 - a simulation


def enter_all(world: World) -> None:
    """Enter the whole plan into the diary."""
    watch = _Watch(world)
    world.desk.witness.after_request = watch.after_request
    world.desk.witness.before_request = watch.before_request
    world.desk.witness.carry = watch.carry
    for item in world.plan.disturbances:
        if item.kind in _WATCHED:
            _WATCHED[item.kind](watch, item)
        else:
            ENTER[item.kind](world, item)


# --- the exchange -----------------------------------------------------------------------------------------------------


def _fault(world: World, item: Disturbance) -> None:
    window = Window(
        fault=Fault(item.args["fault"]),
        probability=item.args["probability"],
        endpoints=[Endpoint(name) for name in item.args.get("endpoints", ())],
        draw=draw_of(item),
    )
    windows = world.faults.windows
    world.during(item.minute, item.until, lambda: windows.append(window), lambda: windows.remove(window))


def _strike(world: World, item: Disturbance) -> None:
    appointed = Fault(item.args["fault"]), Endpoint(item.args["endpoint"])
    world.at(item.minute, lambda: world.faults.appointed.append(appointed))


def _product(world: World, item: Disturbance) -> None:
    changed: list[ProductId] = []

    def begin() -> None:
        product_id = change_product(world.desk, item.args["change"], draw_of(item))
        if product_id is not None:
            world.reached[f"product: {item.args['change']}"] += 1
            changed.append(product_id)

    def undo() -> None:
        for product_id in changed:
            world.desk.exchange.market.restore(product_id)

    world.during(item.minute, item.until, begin, undo)


def _owner(world: World, item: Disturbance) -> None:
    world.at(item.minute, lambda: world.desk.owner.act(draw_of(item)))


def _drift(world: World, item: Disturbance) -> None:
    """The exchange's clock is off for a while."""
    exchange = world.desk.exchange

    def show(skew: timedelta) -> None:
        exchange.behaviour = replace(exchange.behaviour, clock_skew=skew)

    def begin() -> None:
        world.reached["exchange's clock is off"] += 1
        show(timedelta(seconds=item.args["seconds"]))

    world.during(item.minute, item.until, begin, lambda: show(timedelta(0)))


# --- the process ------------------------------------------------------------------------------------------------------


def _stop(world: World, item: Disturbance) -> None:
    def ask() -> None:
        if world.desk.loop is None:
            return
        if _is_in_doubt(world):
            world.reached["stop during UNKNOWN"] += 1
        world.pause = timedelta(minutes=item.args["pause"])
        world.stop("SIGTERM")

    world.at(item.minute, ask)


def _crash(world: World, item: Disturbance) -> None:
    """The process ends at one of the next file calls, or at one of the next requests, or with the machine."""
    args = item.args

    def arm() -> None:
        world.armed = ArmedCrash(
            calls=args["calls"],
            is_power=args["power"],
            salt=item.salt,
            is_at_request="after_the_answer" in args,
            name=args.get("name", ""),
            file=args.get("file", ""),
            endpoint=args.get("at", ""),
            when="after" if args.get("after_the_answer") else "before",
            written=args.get("written", 0.0),
            chain=list(args.get("chain", ())),
            down_minutes=args.get("down", 0.0),
        )

    world.at(item.minute, arm)


def _defect(world: World, item: Disturbance) -> None:
    defect = Defect(endpoint=item.args["at"], when=item.args["when"], times=item.args["times"])
    world.at(item.minute, lambda: world.defects.append(defect))


def _frozen(world: World, item: Disturbance) -> None:
    """The process is stopped for a while (SIGSTOP, a laptop that sleeps): true time passes, nothing is asked."""

    def freeze() -> None:
        world.reached["frozen"] += 1
        world.desk.clock.wait_until(world.desk.clock.now() + timedelta(minutes=item.args["minutes"]), lambda: True)

    world.at(item.minute, freeze)


def _jump(world: World, item: Disturbance) -> None:
    """The bot's wall clock is set wrong for a while."""

    def show(seconds: float) -> None:
        world.clock.offset = timedelta(seconds=seconds)

    def begin() -> None:
        world.reached["wall clock set forward" if item.args["seconds"] > 0 else "wall clock set back"] += 1
        show(item.args["seconds"])

    world.during(item.minute, item.until, begin, lambda: show(0.0))


def _second(world: World, item: Disturbance) -> None:
    """Somebody starts a second bot on the same directory."""
    world.at(item.minute, lambda: damage.start_second(world))


def _is_in_doubt(world: World) -> bool:
    journal = world.desk.witness.journal
    journal.read_on()
    return any(written.is_unresolved for written in journal.alive.values())


ENTER: Mapping[str, Enter] = {
    "fault": _fault,
    "strike": _strike,
    "product": _product,
    "owner": _owner,
    "drift": _drift,
    "stop": _stop,
    "crash": _crash,
    "defect": _defect,
    "frozen": _frozen,
    "jump": _jump,
    "second": _second,
    "damage": damage.plan_damage,
    "config": damage.plan_edit,
    "unlocked": damage.plan_unlocking,
    "disk": files_that_fail.plan_window,
    "room": files_that_fail.plan_room,
}


# --- at certain requests ----------------------------------------------------------------------------------------------


_SHOWN = re.compile(rb'"status": ?"([A-Z_]+)"')


class _Watch:
    """What waits for a request of a kind: kill files, requests that arrive twice."""

    def __init__(self, world: World) -> None:
        self._world = world
        day = Decimal(str(world.plan.changes.get("policy.risk.daily_stop_pnl_pct", -3.0))) / 100
        self._loss = LossWatch(world, day)
        self._kills: list[tuple[Disturbance, list[int]]] = []
        self._echoes: list[Endpoint] = []

    def enter_kill(self, item: Disturbance) -> None:
        """Touch the kill file in a wait, or, from then on, around the n-th request to an endpoint; remove it later."""
        if item.args["where"] == "wait":
            self._world.at(item.minute, lambda: self._touch(item))
        else:
            self._world.at(item.minute, lambda: self._kills.append((item, [item.args["requests"]])))

    def enter_echo(self, item: Disturbance) -> None:
        """The network brings the next order twice, and only the second answer comes back."""
        self._world.at(item.minute, lambda: self._echoes.append(Endpoint.CREATE))

    def carry(self, request: HttpRequest) -> Answer:
        """Bring a request to the exchange, once or twice."""
        exchange, asked = self._world.desk.exchange, route(request.method, request.target).endpoint
        if asked in (Endpoint.ORDER, Endpoint.ORDERS):
            answer = exchange.answer(request)
            for status in _SHOWN.findall(answer.response.body):
                self._world.reached[f"order shown as {status.decode()}"] += 1
            return answer
        if self._echoes and asked is Endpoint.CREATE:
            self._echoes.pop()
            exchange.answer(request)
            kind = "reject" if self._world.plan.rejects_duplicates else "first order"
            self._world.reached[f"an id came twice, answered with: {kind}"] += 1
            self._world.faults.is_paused = True  # an id that it knows is not refused for its price, nor anything else
            try:
                return exchange.answer(request)
            finally:
                self._world.faults.is_paused = False
        return exchange.answer(request)

    def before_request(self, _number: int, endpoint: Endpoint) -> None:
        """Look at what the witness does not; strike before the exchange has acted (an order must not have left)."""
        self._loss.look()
        if endpoint is Endpoint.CREATE:
            self._judge_create()
        else:
            self._count_down(endpoint, "before")
        self._world.at_request(endpoint, "before")

    def _judge_create(self) -> None:
        world, journal = self._world, self._world.desk.witness.journal
        minute = world.desk.minutes()
        if world.kill_is_unreadable:
            world.problems.append(f"order_under_unreadable_kill: at minute {minute:.2f}")
        journal.read_on()
        durable = world.disk.certain_size("data/journal.jsonl")
        if journal.intent_ends_at > durable:
            world.problems.append(
                f"not_durable_ahead: an order leaves at minute {minute:.2f}, {durable} bytes are synced"
            )
        last = next(reversed(journal.intents.values()), None)
        if self._loss.is_beyond and last is not None and last.order["purpose"] == "entry":
            world.problems.append(f"bought_beyond_day_loss: {last.client_order_id} at minute {minute:.2f}")

    def after_request(self, _number: int, endpoint: Endpoint) -> None:
        self._count_down(endpoint, "after")
        self._world.at_request(endpoint, "after")

    def _count_down(self, endpoint: Endpoint, when: str) -> None:
        for item, left in () if self._world.is_over else tuple(self._kills):
            if item.args["when"] == when and item.args["where"] in ("any", endpoint.value):
                left[0] -= 1
                if left[0] <= 0:
                    self._kills.remove((item, left))
                    self._touch(item)

    def _touch(self, item: Disturbance) -> None:
        world = self._world
        until = world.desk.minutes() + item.until - item.minute
        world.lasting(until, partial(self._write, item), lambda: world.desk.kill_file.unlink(missing_ok=True))

    def _write(self, item: Disturbance) -> None:
        desk, reached = self._world.desk, self._world.reached
        desk.kill_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        desk.kill_file.write_text(item.args["text"], "utf-8")
        reached[f"kill file: {item.args['text'] or 'empty'}"] += 1
        reached[f"kill file in {item.args['where']}"] += 1
        if _is_in_doubt(self._world):
            reached["kill during UNKNOWN"] += 1


_WATCHED: Mapping[str, Callable[[_Watch, Disturbance], None]] = {"kill": _Watch.enter_kill, "echo": _Watch.enter_echo}

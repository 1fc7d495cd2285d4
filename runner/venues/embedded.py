"""The embedded default of PAPER: a whole simulated Coinbase in this process, spoken to as the real one is."""

from core.model.ledger import Ledger
from core.ports import Broker, Clock
from core.settings import Settings
from runner.adapters.coinbase.coinbase_broker import CoinbaseBroker
from runner.adapters.coinbase.coinbase_market import CoinbaseMarket
from runner.adapters.coinbase.credentials import Credentials, Secret
from runner.adapters.coinbase.venue_time import VenueTime
from runner.adapters.kill_switch import FileKillSwitch
from runner.adapters.log_files import logger_of
from runner.adapters.markets.simulated_market import simulated_market
from runner.adapters.simulated_coinbase.access import Access
from runner.adapters.simulated_coinbase.account_keys import AccountKey, make_key
from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.exchange import Books, SimulatedCoinbase
from runner.adapters.simulated_coinbase.in_process_wire import InProcessWire
from runner.adapters.simulated_coinbase.listed_market import ListedMarket
from runner.adapters.simulated_coinbase.venue_time import VenueTime as ExchangeTime
from runner.adapters.system_clock import SystemClock
from runner.matching.account import Account
from runner.matching.engine import ORDERS_KEPT
from runner.matching.from_ledger import engine_from_ledger
from runner.options import RunOptions
from runner.venues.connection import connect
from runner.venues.outside import Outside
from runner.venues.paper import account_name, paper_opening, policy_fees, simulation_of
from runner.wire import HttpRequest, HttpResponse, Wire

NO_BOOKS = Books(Account({}), ())
"""Nobody checks this exchange's own books, and they would grow for as long as it runs."""

UNHURRIED = 1000
"""Nobody else shares this exchange: its limits are not Coinbase's."""


class EmbeddedExchange:
    """
    A `Wire` to a simulated Coinbase that lives as long as the process.

    Its account has no file: it is what the ledger says (L11), from `open_account` on; before that it is empty.
    """

    def __init__(self, market: ListedMarket, settings: Settings, clock: Clock, key: AccountKey) -> None:
        self._market = market
        self._settings = settings
        self._clock = clock
        self._key = key
        self._wire = self._wire_to(Ledger())

    def open_account(self, ledger: Ledger) -> None:
        """
        Build the account as the journal knows it.

        Raises:
            StateUnusable: The journal contradicts itself.
        """
        self._wire = self._wire_to(ledger)

    def send(self, request: HttpRequest, timeout_seconds: float) -> HttpResponse:
        return self._wire.send(request, timeout_seconds)

    def _wire_to(self, ledger: Ledger) -> Wire:
        time, rates = ExchangeTime(self._clock.now), policy_fees(self._settings)
        engine = engine_from_ledger(
            ledger,
            market=self._market,
            fee_rates=rates,
            maker_fill_share=self._settings.app.market_model.maker_fill_share_fraction,
            now=time.now,
        )
        exchange = SimulatedCoinbase(
            market=self._market,
            engine=engine,
            time=time,
            access=Access(self._key.api_key),
            books=NO_BOOKS,
            behaviour=Behaviour(orders_kept=ORDERS_KEPT),
        )
        return InProcessWire(exchange, self._clock)


def open_embedded(settings: Settings, options: RunOptions) -> Outside:
    """Open the seeded market in real time, behind Coinbase's protocol and our adapter for it."""
    section, clock = simulation_of(settings, options), SystemClock()
    modelled = simulated_market(section, settings.app.market_model, clock.now)
    key = make_key(f"embedded {section.seed}")
    exchange = EmbeddedExchange(ListedMarket(modelled), settings, clock, key)
    kill_switch = FileKillSwitch(options.data_dir)
    connection = connect(
        settings,
        clock,
        exchange,
        credentials=Credentials(key_name=key.name, secret=Secret(key.secret)),
        read_only=False,
        orders_allowed=lambda: kill_switch.read() is None,
        requests_per_second=UNHURRIED,
    )
    market = CoinbaseMarket(
        connection.api,
        clock,
        VenueTime(connection.api, clock),
        venue=modelled.venue,
        cycle_time=connection.cycle_time,
        settle_seconds=0.0,
        note=logger_of(options.logs_dir).warning,
    )

    def open_broker(ledger: Ledger) -> Broker:
        exchange.open_account(ledger)
        return CoinbaseBroker(connection.api, clock)

    return Outside(
        clock=clock,
        market=market,
        open_broker=open_broker,
        opening=paper_opening(settings, market),
        account=account_name(f"paper-seed-{section.seed}", settings),
        is_virtual=False,
        ends_at=None,
        note=f"embedded simulated Coinbase, seed {section.seed}; invented prices, no evidence for real ones",
        health=connection.health,
        watch_until=connection.cycle_time.end_at,
        rate_limit_use=connection.rate_limit_use,
    )

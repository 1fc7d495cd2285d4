"""Put an exchange together: market, account, matching engine, and the protocol on top of them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from core.model.orders import FeeRates
from runner.adapters.simulated_coinbase.access import Access, ApiKey
from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.exchange import Books, SimulatedCoinbase
from runner.adapters.simulated_coinbase.faults import FaultPlan
from runner.adapters.simulated_coinbase.listed_market import ListedMarket, ModelMarket
from runner.adapters.simulated_coinbase.venue_time import VenueTime
from runner.matching.account import Account
from runner.matching.books import Entry
from runner.matching.engine import MatchingEngine


def open_exchange(
    *,
    market: ModelMarket,
    now: Callable[[], datetime],
    balances: Mapping[str, Decimal],
    fee_rates: FeeRates,
    maker_fill_share: Decimal,
    keys: Sequence[ApiKey] = (),
    faults: FaultPlan | None = None,
    behaviour: Behaviour | None = None,
    token_now: Callable[[], datetime] | None = None,
) -> SimulatedCoinbase:
    """
    Open an exchange with one account on a market.

    `balances`: what the account holds at the start, by currency. `keys`: who may sign; without any only the public
    endpoints answer. `token_now`: real time, where `now` is virtual and the tokens are the official SDK's.
    """
    listed = ListedMarket(market)
    time = VenueTime(now)
    entries: list[Entry] = []
    account = Account(balances, journal=entries.append)
    engine = MatchingEngine(
        market=listed, account=account, fee_rates=fee_rates, maker_fill_share=maker_fill_share, now=time.now
    )
    return SimulatedCoinbase(
        market=listed,
        engine=engine,
        time=time,
        access=Access(*keys),
        books=Books(account, entries),
        faults=faults,
        behaviour=behaviour,
        token_now=token_now,
    )

"""
The Broker port on Coinbase Advanced Trade.

Every answer is judged here (coinbase_api 2.6 to 2.14): what cannot be read is "not known", never "nothing". Reports and
fills are handed on as the exchange gave them; what contradicts our intent is the reconciler's to see.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from core.errors import BrokerUnavailable, OrderNotSent, OrderOutcomeUnknown
from core.model.orders import Balance, FeeRates, Fill, Order, OrderId, OrderKey, OrderReport
from core.ports import Clock
from runner.adapters.coinbase import account_rows, fields, order_answers, order_bodies, pages
from runner.adapters.coinbase.api import PostKind
from runner.adapters.coinbase.errors import ApiError, ApiNotSent, ApiRefused, ApiUnavailable
from runner.adapters.coinbase.fields import BadField, Row
from runner.adapters.coinbase.order_rows import is_of_another_kind, order_report
from runner.adapters.coinbase.private_api import PrivateApi
from runner.adapters.coinbase.routes import BASE, CANCEL, ORDERS, PREVIEW

ACCOUNTS = f"{BASE}/accounts"
FEES = f"{BASE}/transaction_summary"
ORDER = f"{ORDERS}/historical"
ORDER_LIST = f"{ORDER}/batch"
FILLS = f"{ORDER}/fills"

CANCELS_PER_REQUEST = 100
_ORDERS_PER_PAGE = ("limit", "100")
_FILLS_PER_PAGE = 100
_ACCOUNTS_PER_PAGE = ("limit", "250")

SEARCH_MARGIN = timedelta(minutes=1)
"""An order may seem older to the exchange than to us: the clocks may differ by less than this."""

FEES_FRESH_SECONDS = 600
FEES_USABLE_SECONDS = 7200

_NOT_YET_OPEN = (("order_status", "PENDING"), ("order_status", "QUEUED"))
_BETWEEN_STATES = (*_NOT_YET_OPEN, ("order_status", "CANCEL_QUEUED"), ("order_status", "EDIT_QUEUED"))


class CoinbaseBroker:
    """Port `Broker`: one account (portfolio) at Coinbase, that of the API key."""

    def __init__(self, api: PrivateApi, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._fees: FeeRates | None = None
        self._fees_read_at = 0.0

    # --- orders ---------------------------------------------------------------------------------------------------

    def submit(self, order: Order) -> OrderId:
        try:
            body = order_bodies.order_body(order)
        except ValueError as error:
            raise OrderNotSent(str(error)) from error
        try:
            answer = self._api.post(ORDERS, body, kind=PostKind.ORDER)
        except ApiNotSent as error:
            raise OrderNotSent(str(error)) from error
        except ApiRefused as error:
            raise order_answers.rejection(error.code, error.message) from error
        except ApiError as error:
            raise OrderOutcomeUnknown(str(error)) from error
        return order_answers.accepted_id(answer, order)

    def cancel(self, order_ids: Sequence[OrderId]) -> None:
        """Ask for all cancels, also when some cannot be asked for; what failed is raised at the end."""
        asked = tuple(dict.fromkeys(order_ids))
        problems: list[str] = []
        for start in range(0, len(asked), CANCELS_PER_REQUEST):
            problems += self._cancel(asked[start : start + CANCELS_PER_REQUEST])
        if problems:
            raise BrokerUnavailable(f"cancel: {'; '.join(problems)}")

    def preview(self, order: Order) -> str | None:
        with _question("preview"):
            try:
                body = order_bodies.preview_body(order)
            except ValueError as error:
                raise BrokerUnavailable(f"preview: {error}") from error
            return order_answers.preview_reason(self._api.post(PREVIEW, body, kind=PostKind.QUESTION))

    def find(self, key: OrderKey) -> OrderReport | None:
        """
        Look an order up by its id at the exchange, else in the list of the product's orders.

        The list is read without a filter of statuses and, when it does not hold the order, for PENDING and QUEUED: it
        is not documented that a list without a filter holds those.
        """
        with _question("order look-up"):
            if key.order_id is not None and order_answers.is_order_id(key.order_id):
                report = self._by_id(key.order_id)
                if report is not None:
                    return report
            return self._listed(key, ()) or self._listed(key, _NOT_YET_OPEN)

    def open_orders(self) -> Sequence[OrderReport]:
        """
        Return the orders that are not final, in two questions.

        OPEN must be asked for alone; the states around it go together, and first: an order that comes onto the book
        between the two questions is in both answers, not in neither. Derivatives are left out.
        """
        found: dict[str, OrderReport] = {}
        with _question("open orders"):
            for statuses in (_BETWEEN_STATES, (("order_status", "OPEN"),)):
                for row in self._order_rows(statuses):
                    if is_of_another_kind(row):
                        continue
                    report = order_report(row)
                    found.pop(report.order_id, None)
                    if not report.status.is_final:
                        found[report.order_id] = report
        return tuple(found.values())

    def fills(self, since: datetime) -> Sequence[Fill]:
        with _question("fills"):
            params = (("start_sequence_timestamp", order_bodies.rfc3339(since)), ("limit", str(_FILLS_PER_PAGE)))
            rows = pages.followed(
                self._api.get, FILLS, params, name="fills", id_field="entry_id", limit=_FILLS_PER_PAGE
            )
            return account_rows.fills_of(rows)

    # --- account --------------------------------------------------------------------------------------------------

    def balances(self) -> Mapping[str, Balance]:
        with _question("balances"):
            rows = pages.listed(self._api.get, ACCOUNTS, (_ACCOUNTS_PER_PAGE,), name="accounts", id_field="uuid")
            return account_rows.balances_of(rows)

    def fee_rates(self) -> FeeRates:
        """Return rates that are at most ten minutes old; while they cannot be read, at most two hours."""
        age = self._clock.monotonic() - self._fees_read_at
        if self._fees is not None and age < FEES_FRESH_SECONDS:
            return self._fees
        try:
            with _question("fee rates"):
                self._fees = account_rows.fee_rates_of(self._api.get(FEES, (("product_type", "SPOT"),)))
                self._fees_read_at = self._clock.monotonic()
        except BrokerUnavailable:
            if self._fees is None or age >= FEES_USABLE_SECONDS:
                raise
        return self._fees

    # --- parts ----------------------------------------------------------------------------------------------------

    def _cancel(self, order_ids: Sequence[OrderId]) -> Sequence[str]:
        try:
            answer = self._api.post(CANCEL, {"order_ids": list(order_ids)}, kind=PostKind.CANCEL)
            return order_answers.failed_cancels(answer, order_ids)
        except (ApiError, BadField) as error:
            return (str(error),)

    def _by_id(self, order_id: OrderId) -> OrderReport | None:
        """Ask for one order. For a moment after it was made the exchange may answer 404, or without an order."""
        try:
            answer = fields.row_of(self._api.get(f"{ORDER}/{order_id}"), "answer")
        except ApiUnavailable as error:
            if error.status == 404:
                return None
            raise
        if not answer.get("order"):
            return None
        report = order_report(fields.row(answer, "order"))
        if report.order_id != order_id:
            raise BadField("order_id", order_id, report.order_id)
        return report

    def _listed(self, key: OrderKey, statuses: pages.Params) -> OrderReport | None:
        """Look for our client_order_id in the product's orders since shortly before it was sent."""
        start = ("start_date", order_bodies.rfc3339(key.since - SEARCH_MARGIN))
        rows = self._order_rows((("product_ids", str(key.product_id)), start, *statuses))
        found = {order_answers.order_id_of(row): row for row in rows if _is_meant(row, key)}
        ids = tuple(dict.fromkeys((*found, *((key.order_id,) if key.order_id else ()))))
        if found and len(ids) > 1:
            # At most one order per id is what the account is trusted with (L3): a person must look.
            raise BrokerUnavailable(f"CONTRADICTION: client_order_id {key.client_order_id} names orders {ids}")
        return order_report(found[ids[0]]) if found else None

    def _order_rows(self, params: pages.Params) -> Sequence[Row]:
        asked = (*params, _ORDERS_PER_PAGE)
        return pages.listed(self._api.get, ORDER_LIST, asked, name="orders", id_field="order_id")


def _is_meant(row: Row, key: OrderKey) -> bool:
    """Tell whether a listed order is the one. "" is a sender who chose none; a missing id could be any."""
    if row.get("client_order_id") != "":
        return fields.text(row, "client_order_id") == key.client_order_id
    return False


@contextmanager
def _question(what: str) -> Iterator[None]:
    """Turn every way to get no usable answer into the port's error."""
    try:
        yield
    except ApiError as error:
        raise BrokerUnavailable(f"{what}: {error}") from error
    except BadField as error:
        raise BrokerUnavailable(f"{what}: unusable answer: {error}") from error

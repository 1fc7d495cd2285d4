"""What the exchange says to an order, a preview and a cancel (coinbase_api 2.9, 2.10, 2.12), as our outcomes."""

import re
from collections.abc import Sequence

from core.errors import OrderOutcomeUnknown, OrderRejected
from core.model.orders import Order, OrderId
from runner.adapters.coinbase import fields
from runner.adapters.coinbase.fields import BadField, Row

UNSPECIFIED = "UNSPECIFIED"
"""The reason of a refusal that names none."""

_DUPLICATE = "DUPLICATE_CLIENT_ORDER_ID"
_REASON_FIELDS = ("new_order_failure_reason", "error", "preview_failure_reason", "failure_reason")
_NIL_REASON = "UNKNOWN_"
_HARMLESS_CANCEL_REASONS = ("UNKNOWN_CANCEL_ORDER", "ORDER_IS_FULLY_FILLED", "DUPLICATE_CANCEL_REQUEST")
_ORDER_ID = re.compile(r"[0-9A-Za-z_-]{1,128}")
_NOT_OF_A_CODE = re.compile(r"[^0-9A-Za-z_.-]")
_CODE_MAX = 80
_MESSAGE_MAX = 160


def order_id_of(row: Row) -> OrderId:
    """
    Return the order's id at the exchange. It is used in paths, so it is letters, digits, `-` and `_` only.

    Raises:
        BadField
    """
    found = fields.text(row, "order_id")
    if not is_order_id(found):
        raise BadField("order_id", "an order id", found)
    return OrderId(found)


def is_order_id(text: str) -> bool:
    """Tell whether a text can be an order id of the exchange."""
    return _ORDER_ID.fullmatch(text) is not None


def accepted_id(answer: object, order: Order) -> OrderId:
    """
    Return the id under which the exchange took our order. `success` alone decides (#49 of the SDK's issues).

    A reason that begins with `UNKNOWN_` is the exchange's nil value, also beside a success.

    Raises:
        OrderRejected
        OrderOutcomeUnknown: The answer is unreadable, is about another order, or contradicts itself; or an order with
            our id exists already.
    """
    try:
        body = fields.row_of(answer, "answer")
        if fields.flag(body, "success"):
            return _id_of_ours(body, order)
        details, taken = _row_or_empty(body, "error_response"), _row_or_empty(body, "success_response")
        order_id = fields.text_or_none(taken, "order_id") or fields.text_or_none(body, "order_id")
    except BadField as error:
        raise OrderOutcomeUnknown(f"unusable answer to an order: {error}") from error
    if order_id is not None:
        raise OrderOutcomeUnknown("the answer refuses the order and names an order_id")
    raise _refusal(details, body)


def rejection(reason: str, message: str) -> OrderRejected | OrderOutcomeUnknown:
    """Return the error for a refusal by name: a used id means that an order with it exists, so nothing is decided."""
    if reason.endswith(_DUPLICATE):
        return OrderOutcomeUnknown("the exchange knows this client_order_id already")
    return OrderRejected(code_of(reason), message[:_MESSAGE_MAX])


def preview_reason(answer: object) -> str | None:
    """
    Return the first reason why the exchange would refuse the order, or None. Warnings refuse nothing.

    Raises:
        BadField: No list of errors: that is no yes.
    """
    errs = fields.items(fields.row_of(answer, "answer"), "errs")
    if not errs:
        return None
    named = [err for err in errs if isinstance(err, str) and err and not err.startswith(_NIL_REASON)]
    return code_of(named[0]) if named else UNSPECIFIED


def failed_cancels(answer: object, asked: Sequence[OrderId]) -> Sequence[str]:
    """
    Return what went wrong with the cancels that were asked for; empty: all were taken, or had nothing to do.

    An order that is unknown to the exchange, filled, or being cancelled needs no other cancel: the look-up decides.

    Raises:
        BadField
    """
    answered = set()
    problems = []
    for item in fields.items(fields.row_of(answer, "answer"), "results"):
        row = fields.row_of(item, "results[]")
        order_id = order_id_of(row)
        answered.add(order_id)
        reason = "" if fields.flag(row, "success") else fields.text(row, "failure_reason")
        if reason and reason not in _HARMLESS_CANCEL_REASONS:
            problems.append(f"{order_id}: {code_of(reason)}")
    return [*problems, *(f"{order_id}: no result" for order_id in asked if order_id not in answered)]


def code_of(text: str) -> str:
    """Return an exchange's reason as it may appear in our records: short, and without spaces or signs."""
    return _NOT_OF_A_CODE.sub("_", text)[:_CODE_MAX] or UNSPECIFIED


def _id_of_ours(body: Row, order: Order) -> OrderId:
    taken = _row_or_empty(body, "success_response")
    echoes = (
        ("client_order_id", order.client_order_id),
        ("product_id", str(order.product_id)),
        ("side", order.side.value),
    )
    for name, ours in echoes:
        theirs = fields.text_or_none(taken, name)
        if theirs is not None and theirs != ours:
            raise BadField(name, ours, theirs)
    return order_id_of(taken if fields.text_or_none(taken, "order_id") else body)


def _refusal(details: Row, body: Row) -> OrderRejected | OrderOutcomeUnknown:
    reasons = [
        reason for name in _REASON_FIELDS for source in (details, body) if (reason := _reason(source, name)) is not None
    ]
    if not reasons and not details:
        # A refusal of the exchange says more than `false`; what does not may come from anything on the way (L4).
        return OrderOutcomeUnknown("the answer refuses the order without a word why")
    named = next((reason for reason in reasons if reason.endswith(_DUPLICATE)), None)
    return rejection(named or (reasons[0] if reasons else UNSPECIFIED), _words(details))


def _reason(source: Row, name: str) -> str | None:
    value = source.get(name)
    return value if isinstance(value, str) and value and not value.startswith(_NIL_REASON) else None


def _words(details: Row) -> str:
    message = details.get("message") or details.get("error_details")
    return ascii(message[:_MESSAGE_MAX])[1:-1] if isinstance(message, str) else ""


def _row_or_empty(parent: Row, name: str) -> Row:
    return {} if parent.get(name) is None else fields.row(parent, name)

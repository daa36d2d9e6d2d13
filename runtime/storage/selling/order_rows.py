"""Stores orders, and takes sold pieces from the quantities of products once.

All functions run inside the caller's transaction.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypedDict

from sqlalchemy import ColumnElement, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from runtime.products.order import OrderLineRow, OrderRow
from runtime.storage.models import Listing, Order, OrderLine, Product
from runtime.storage.selling.product_links import links
from runtime.storage.selling.product_rows import lower_quantity

CLOCKS_DIFFER = timedelta(minutes=1)
"""The tolerance for the clocks of marketplaces, some of which tell only whole seconds."""

_IS_NEW: ColumnElement[bool] = literal_column("orders.xmax = 0")


class Sale(TypedDict):
    """Pieces of a product were sold, and were taken from its quantity just now."""

    line_id: int
    product_id: int
    quantity: int
    left: int


class UpsertedOrders(TypedDict):
    """The result of storing orders; ``new`` and ``known`` hold their external ids."""

    new: list[str]
    known: list[str]
    sales: list[Sale]


class _Line(NamedTuple):
    id: int
    product_id: int
    quantity: int


def known_orders(session: Session, shop_id: int, external_ids: Collection[str]) -> list[str]:
    """Return those of the orders that are stored already."""
    query = select(Order.external_id).where(
        Order.shop_id == shop_id, Order.external_id.in_(external_ids)
    )
    return sorted(session.scalars(query))


def upsert_orders(session: Session, shop_id: int, rows: Sequence[OrderRow]) -> UpsertedOrders:
    """Store orders, and take their pieces from the products' quantities once.

    Each line lowers a quantity once, however often the order comes in, and also if its listing
    becomes known later than the order. A sale from before the product's creation lowers nothing,
    because the person who stated the quantity knew of it.
    """
    unique = {row["external_id"]: row for row in rows}
    if not unique:
        return UpsertedOrders(new=[], known=[], sales=[])
    new: list[str] = []
    known: list[str] = []
    lines: list[_Line] = []
    # All transactions use this order, so that two of them never wait for each other's rows.
    for external_id in sorted(unique):
        row = unique[external_id]
        order_id, ordered_at, is_new = session.execute(_upsert(shop_id, row)).one()
        (new if is_new else known).append(external_id)
        open_lines = _upsert_lines(session, order_id, row["lines"])
        if row["sold"] and open_lines:
            lines += _since_known(session, _matched(session, shop_id, open_lines), ordered_at)
    return UpsertedOrders(new=new, known=known, sales=_lowered(session, lines))


def _upsert(shop_id: int, row: OrderRow) -> Any:
    ordered_at = row["ordered_at"]
    values = {
        "status": row["status"],
        "buyer": row["buyer"],
        "total": row["total"],
        "currency": row["currency"],
        "ordered_at": None if ordered_at is None else datetime.fromisoformat(ordered_at),
        "data": row["data"],
    }
    statement = insert(Order).values(shop_id=shop_id, external_id=row["external_id"], **values)
    told = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[Order.shop_id, Order.external_id],
        set_={
            # A detail that the marketplace does not tell this time stays as it was.
            **{name: func.coalesce(told[name], getattr(Order, name)) for name in values},
            "last_seen_at": func.now(),
        },
    ).returning(Order.id, Order.ordered_at, _IS_NEW)


def _upsert_lines(session: Session, order_id: int, rows: Sequence[OrderLineRow]) -> list[OrderLine]:
    """Store the lines; returns those that have not lowered any product's quantity yet."""
    unique = {row["external_id"]: row for row in rows}
    if not unique:
        return []
    statement = insert(OrderLine).values(
        [{"order_id": order_id, **unique[external_id]} for external_id in sorted(unique)]
    )
    told = statement.excluded
    details = ("listing_external_id", "sku", "title")
    stored = session.scalars(
        statement.on_conflict_do_update(
            index_elements=[OrderLine.order_id, OrderLine.external_id],
            set_={name: func.coalesce(told[name], getattr(OrderLine, name)) for name in details},
        ).returning(OrderLine),
        # The session may hold a line as it was before this transaction lowered its quantity.
        execution_options={"populate_existing": True},
    )
    # The line remembers the product whose quantity it lowered, which makes the sale happen once.
    return [line for line in stored if line.product_id is None]


def _matched(session: Session, shop_id: int, lines: Sequence[OrderLine]) -> list[_Line]:
    """Return the lines whose products are known by the listing that was sold or by the SKU."""
    listed = select(Listing.external_id, Listing.product_id).where(
        Listing.shop_id == shop_id,
        Listing.external_id.in_([line.listing_external_id for line in lines]),
        Listing.product_id.is_not(None),
    )
    by_listing = {row.external_id: row.product_id for row in session.execute(listed)}
    by_sku = links(session, shop_id, {line.sku for line in lines if line.sku is not None})
    found: list[_Line] = []
    for line in lines:
        # The listing is surer than the SKU, which a seller may use for another product by now.
        product_id = by_listing.get(line.listing_external_id or "")
        if product_id is None and line.sku is not None:
            product_id = by_sku[line.sku].product_id
        if product_id is not None:
            found.append(_Line(line.id, product_id, line.quantity))
    return found


def _since_known(
    session: Session, lines: Sequence[_Line], ordered_at: datetime | None
) -> list[_Line]:
    """Return the lines whose products existed already when the order was made."""
    # An order whose time cannot be read is a sale all the same, so it lowers the quantity.
    if ordered_at is None or not lines:
        return list(lines)
    query = select(Product.id).where(
        Product.id.in_({line.product_id for line in lines}),
        Product.created_at <= ordered_at + CLOCKS_DIFFER,
    )
    known = set(session.scalars(query))
    return [line for line in lines if line.product_id in known]


def _lowered(session: Session, lines: Sequence[_Line]) -> list[Sale]:
    sales: list[Sale] = []
    # Sorted by product, so that two transactions never wait for each other's rows.
    for line in sorted(lines, key=lambda line: (line.product_id, line.id)):
        left = lower_quantity(session, line.product_id, line.quantity)
        # The product was deleted meanwhile.
        if left is None:
            continue
        session.execute(
            update(OrderLine)
            .where(OrderLine.id == line.id)
            .values(product_id=line.product_id)
            .execution_options(synchronize_session=False)
        )
        sales.append(
            Sale(line_id=line.id, product_id=line.product_id, quantity=line.quantity, left=left)
        )
    return sales

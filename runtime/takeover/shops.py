"""Finds the shop to which a job of the former system belongs here."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from runtime.errors import InputError
from runtime.errors.program import PROGRAM
from runtime.rate_limits.closures import Closure, ClosureKind, Level, Scope
from runtime.storage.models import Shop
from runtime.storage.queue import action_types, closure_rows
from runtime.storage.selling import shop_rows

_ASSIGNMENT = re.compile(r"([0-9]+)/([a-z][a-z0-9]*)(?:/([0-9]+))?=\s*(\S.*)")
PLACEHOLDER = "former:"

ShopKey = tuple[int, str, int | None]
"""A user, a marketplace, and the former system's id of the shop, or None."""


def parsed_shops(assignments: Iterable[str]) -> dict[ShopKey, str]:
    """Read ``USER/MARKETPLACE[/FORMER_SHOP_ID]=EXTERNAL_ID``.

    Raises:
        InputError: an assignment cannot be read.
    """
    found: dict[ShopKey, str] = {}
    for assignment in assignments:
        match = _ASSIGNMENT.fullmatch(assignment.strip())
        if match is None:
            raise InputError(
                f"--shop-of {assignment!r} cannot be read: write USER/MARKETPLACE=EXTERNAL_ID, for "
                "example 1/vinted=123, or 1/vinted/5=123 for the former shop 5"
            )
        user, marketplace, former, external = match.groups()
        key = (int(user), marketplace, int(former) if former else None)
        # Without this check the last assignment would win, and jobs would run for an account that
        # was named by mistake.
        if found.setdefault(key, external.strip()) != external.strip():
            place = assignment.strip().partition("=")[0]
            raise InputError(f"--shop-of {place} is given twice, with different accounts")
    return found


@dataclass
class FormerShops:
    """Finds the shops of jobs, and creates missing shops.

    The shop is the first of these that there is: the account that the operator names, the account
    whose external id is the former shop id, the only account of the seller there. If there is none,
    it is a placeholder, which is closed until the operator names the account.

    Attributes:
        made: the user, marketplace and external id of each shop that was created.
    """

    named: dict[ShopKey, str]
    dry_run: bool
    made: list[tuple[int, str, str]] = field(default_factory=list)
    _known: dict[ShopKey, int | None] = field(default_factory=dict)

    def shop_of(
        self, session: Session, user_id: int, marketplace: str, former_id: int | None
    ) -> int | None:
        """Return the id of the shop, or None if a dry run would create it.

        Raises:
            InputError: the seller has several, or the account is another seller's.
        """
        key = (user_id, marketplace, former_id)
        if key not in self._known:
            self._known[key] = self._found(session, user_id, marketplace, former_id)
        return self._known[key]

    def forget(self) -> None:
        """Forget the shops of a transaction that did not commit."""
        self._known.clear()

    def check(self, session: Session, users: Collection[int]) -> list[str]:
        """Describe assignments that match nothing, because they may be mistyped.

        Args:
            users: the sellers whose jobs are taken over.

        Raises:
            InputError: there is no such marketplace.
        """
        known = {marketplace for marketplace, _ in action_types.known_pairs(session)}
        for _, marketplace, _ in self.named:
            if marketplace not in known:
                raise InputError(
                    f"--shop-of names the marketplace {marketplace}, which is not known: "
                    f"those are {', '.join(sorted(known))}"
                )
        others = sorted({user for user, *_ in self.named} - set(users))
        return [f"--shop-of names user {one}, of whom no schema was looked at" for one in others]

    def name_placeholders(self, session: Session) -> list[str]:
        """Give placeholders the accounts that the operator names now; returns lines about it."""
        done = []
        for (user_id, marketplace, former_id), external in self.named.items():
            placeholder = shop_rows.shop_by_external_id(
                session, marketplace, f"{PLACEHOLDER}{user_id}"
            )
            # A placeholder stands for a seller's jobs without any shop, so an assignment of one
            # former shop says nothing of it.
            if former_id is not None or placeholder is None:
                continue
            done.append(f"user {user_id}'s placeholder on {marketplace} is shop {external!r} now")
            if self.dry_run:
                continue
            # If the account has no shop, the placeholder becomes its shop; otherwise the jobs move.
            target = shop_rows.shop_by_external_id(session, marketplace, external)
            if target is None:
                placeholder.external_id = external
                placeholder.name = None
            else:
                _refuse_others(target, user_id)
                shop_rows.move_jobs(session, placeholder.id, target.id)
            closure_rows.open_shop(session, placeholder.id)
        if done and not self.dry_run:
            shop_rows.drop_unused(session, PLACEHOLDER)
        return done

    def _found(
        self, session: Session, user_id: int, marketplace: str, former_id: int | None
    ) -> int | None:
        external = self.named.get((user_id, marketplace, former_id))
        if external is None and former_id is not None:
            external = str(former_id)
        if external is None:
            external = self.named.get((user_id, marketplace, None))
        if external is not None:
            return self._account(session, user_id, marketplace, external)
        mine = shop_rows.list_shops(session, marketplace=marketplace, user_id=user_id)
        if len(mine) > 1:
            listed = ", ".join(shop.external_id for shop in mine)
            raise InputError(
                f"user {user_id} has several shops on {marketplace} ({listed}), and it names none: "
                f"say which with --shop-of {user_id}/{marketplace}=EXTERNAL_ID, and import again"
            )
        if mine:
            return mine[0].id
        return self._account(session, user_id, marketplace, f"{PLACEHOLDER}{user_id}")

    def _account(
        self, session: Session, user_id: int, marketplace: str, external: str
    ) -> int | None:
        shop = shop_rows.shop_by_external_id(session, marketplace, external)
        if shop is not None:
            _refuse_others(shop, user_id)
            return shop.id
        if (user_id, marketplace, external) not in self.made:
            self.made.append((user_id, marketplace, external))
        if self.dry_run:
            return None
        shop = shop_rows.insert_shop(session, marketplace, user_id, external, None)
        # No call may leave in the name of an account that nobody has named.
        if external.startswith(PLACEHOLDER):
            _close(session, shop)
        return shop.id


def is_placeholder(external_id: str) -> bool:
    """Return whether the operator still has to name the account of a shop."""
    return external_id.startswith(PLACEHOLDER)


def _close(session: Session, shop: Shop) -> None:
    reason = (
        f"its account is not known: run `{PROGRAM} import-former` again with "
        f"--shop-of {shop.user_id}/{shop.marketplace}=EXTERNAL_ID"
    )
    scope = Scope(shop.marketplace, Level.SHOP, shop.id)
    closure_rows.close_scopes(
        session, [Closure(scope, ClosureKind.PAUSED, reason, datetime.now(UTC), None)]
    )


def _refuse_others(shop: Shop, user_id: int) -> None:
    if shop.user_id != user_id:
        raise InputError(
            f"the {shop.marketplace} shop {shop.external_id!r} belongs to user {shop.user_id} "
            f"here, not to user {user_id}: name the right one with "
            f"--shop-of {user_id}/{shop.marketplace}=EXTERNAL_ID, and import again"
        )

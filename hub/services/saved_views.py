"""Saved views: searches under a name, one's own or everybody's."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from hub.domain.access import Principal, Scope
from hub.domain.errors import Conflict, NotFound
from hub.domain.views import MAX_VIEWS, Listed, NewView, SavedView, judged
from hub.infra.store.operations import Audit
from hub.infra.store.views import ViewStore
from hub.services.operate import actor_of


class SavedViews:
    """Keeps them. An application's key has its own, as an operator has.

    Args:
        store: where they are.
        clock: now, to judge searches with times.
        new_id: makes UUIDv7s.
    """

    def __init__(
        self, store: ViewStore, *, clock: Callable[[], datetime], new_id: Callable[[], UUID]
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id

    async def of(self, principal: Principal, page: Listed | None = None) -> list[SavedView]:
        """Theirs and the shared ones, of one page or of all; of those an application that sees its own jobs has none."""
        views = await self._store.of(principal.key, page)
        return [view for view in views if principal.sees_all or not view.shared]

    async def create(self, principal: Principal, wanted: NewView) -> SavedView:
        """Keep a search. Raises Invalid for one that cannot be, Conflict for a name that is taken or too many."""
        view = judged(wanted, self._clock())
        made = await self._store.create(self._new_id(), view, principal.key, self._audit(principal))
        if made is None:
            raise Conflict(f"there are {MAX_VIEWS} views already: delete one first", code="too_many_views")
        return made

    async def change(self, principal: Principal, id_: UUID, *, name: str, query: str) -> SavedView:
        """Give a view another name or search. Raises NotFound, and what `create` raises."""
        known = await self._own(principal, id_)
        view = judged(NewView(name, known.page, query, known.shared), self._clock())
        changed = await self._store.change(
            id_, view.name, view.query, principal.key, self._audit(principal), shares=_shares(principal)
        )
        return changed if changed is not None else _gone(id_)

    async def begin_with(self, principal: Principal, id_: UUID, *, begin: bool = True) -> None:
        """Let its page begin with a view of one's own. Raises NotFound."""
        if not await self._store.begin_with(id_, principal.key, begin=begin):
            _gone(id_)

    async def delete(self, principal: Principal, id_: UUID) -> None:
        """Forget a view. Raises NotFound."""
        audit = self._audit(principal)
        if not await self._store.delete(id_, principal.key, audit, shares=_shares(principal)):
            _gone(id_)

    async def _own(self, principal: Principal, id_: UUID) -> SavedView:
        for view in await self.of(principal):
            if view.id == id_:
                return view
        return _gone(id_)

    def _audit(self, principal: Principal) -> Audit:
        return Audit(self._new_id(), actor_of(principal))


def _shares(principal: Principal) -> bool:
    """Whether they may change what everybody sees."""
    return principal.may(Scope.JOBS_OPERATE)


def _gone(id_: UUID) -> "SavedView":
    raise NotFound(f"there is no view {id_} of yours", code="unknown_view_id")

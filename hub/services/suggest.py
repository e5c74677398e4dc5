"""How a search can be completed while it is typed."""

from dataclasses import dataclass

from hub.domain.access import Principal
from hub.domain.search import JOBS, Language, Suggestion, Vocabulary, complete
from hub.infra.store.vocabulary import VocabularyStore
from hub.registry import Registry


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Ways to go on with a search.

    Attributes:
        items: the best first.
    """

    items: list[Suggestion]


class Suggest:
    """Knows what there is to be named.

    Args:
        store: what is in the data.
        registry: what this release has.
    """

    def __init__(self, store: VocabularyStore, registry: Registry) -> None:
        self._store = store
        self._known = {
            "job": sorted(registry.jobs),
            "queue": sorted(registry.queues),
            "provider": sorted(registry.providers),
            "operation": sorted(registry.operations),
            "source": sorted(registry.sources),
        }

    async def complete(
        self, principal: Principal, text: str, cursor: int, language: Language = JOBS
    ) -> Suggestions:
        """How the word at the cursor could go on; names of others' things only for who may see them."""
        known = dict(self._known)
        if principal.sees_all and language is JOBS:
            known["code"] = await self._store.codes() if "code:" in text else []
            known["application"] = await self._store.applications() if "app" in text else []
        return Suggestions(list(complete(text, cursor, Vocabulary(known), language)))

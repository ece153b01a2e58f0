"""Zoho's taxes and plans: read once, kept in the database for everybody, fresh enough (sheet 2.2, 2.6).

A catalogue is read again after a day, and at once where something is missing in it (somebody has just made the tax or
the plan), but not more often than every few minutes: a hundred rows with the same mistake must not read it a hundred
times.
"""

from dataclasses import dataclass, replace
from typing import assert_never

import anyio

from outbox.entities.catalogue import CatalogueKind, plans_of, taxes_of
from outbox.entities.contract import Remote, Terms
from outbox.store.catalogue import CatalogueStore, StoredCatalogue

OLDEST_SECONDS = 86_400.0
"""A catalogue that is older is read again."""

LEAST_AGE_SECONDS = 300.0
"""A catalogue that is younger is not read again, whatever is missing in it."""

MEMORY_SECONDS = 30.0
"""So long the database is not asked again, by this process."""


@dataclass(frozen=True)
class _Remembered:
    catalogue: StoredCatalogue
    at: float


class Catalogues:
    """Completes terms with what an entity needs. One for a process."""

    def __init__(self, store: CatalogueStore) -> None:
        self._store = store
        self._remembered: dict[CatalogueKind, _Remembered] = {}
        self._reading = {kind: anyio.Lock() for kind in CatalogueKind}

    async def complete(self, terms: Terms, needs: frozenset[CatalogueKind], remote: Remote) -> Terms:
        """``terms`` with the catalogues in ``needs``; asks Zoho where they are not known or too old.

        Raises what ``remote`` raises.
        """
        for kind in sorted(needs):
            async with self._reading[kind]:
                catalogue = await self._known(kind)
                if catalogue is None or catalogue.age > OLDEST_SECONDS:
                    catalogue = await self._read(kind, remote)
            terms = _with(terms, kind, catalogue)
        return terms

    async def refresh(self, terms: Terms, kind: CatalogueKind, remote: Remote) -> Terms | None:
        """``terms`` with a newer catalogue, read anew where need be; None: it is so young that there is none."""
        async with self._reading[kind]:
            self._remembered.pop(kind, None)
            catalogue = await self._known(kind)
            if catalogue is not None and catalogue.age < LEAST_AGE_SECONDS:
                # Another row or process may have read it since these terms were completed.
                known = _with(terms, kind, catalogue)
                return None if known == terms else known
            return _with(terms, kind, await self._read(kind, remote))

    async def as_stored(self, terms: Terms, needs: frozenset[CatalogueKind]) -> Terms | None:
        """``terms`` with the catalogues in ``needs`` as they are known, without asking Zoho; None: one is not."""
        for kind in sorted(needs):
            catalogue = await self._known(kind)
            if catalogue is None:
                return None
            terms = _with(terms, kind, catalogue)
        return terms

    async def _known(self, kind: CatalogueKind) -> StoredCatalogue | None:
        remembered = self._remembered.get(kind)
        now = anyio.current_time()
        if remembered is not None and now - remembered.at < MEMORY_SECONDS:
            return replace(remembered.catalogue, age=remembered.catalogue.age + now - remembered.at)
        catalogue = await self._store.read(kind)
        if catalogue is not None:
            self._remembered[kind] = _Remembered(catalogue, now)
        return catalogue

    async def _read(self, kind: CatalogueKind, remote: Remote) -> StoredCatalogue:
        match kind:
            case CatalogueKind.TAXES:
                rows = [row async for row in remote.rows("/settings/taxes", "taxes")]
            case CatalogueKind.PLANS:
                rows = [row async for row in remote.rows("/plans", "plans", {"filter_by": "PlanStatus.All"})]
            case _:
                assert_never(kind)
        await self._store.store(kind, rows)
        catalogue = StoredCatalogue(rows, age=0.0)
        self._remembered[kind] = _Remembered(catalogue, anyio.current_time())
        return catalogue


def _with(terms: Terms, kind: CatalogueKind, catalogue: StoredCatalogue) -> Terms:
    match kind:
        case CatalogueKind.TAXES:
            return replace(terms, taxes=taxes_of(catalogue.rows))
        case CatalogueKind.PLANS:
            return replace(terms, plans=plans_of(catalogue.rows))
        case _:
            assert_never(kind)

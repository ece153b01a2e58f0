"""Zoho throttles, refuses credentials, or is away, while a record of each type is on its way (failures.md, 12 to 14).

In all of them it is nobody's row that is at fault: no attempt is burned, nothing is asked meanwhile, and what was on
its way is made once when it is over.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import pytest

from outbox.simulator import FaultKind, RunningSimulator
from outbox.vocabulary import EntityType, OrganisationState
from tests.sending.billing import PLAN, Billing, forget_requests, held, routes
from tests.sending.conftest import NewProcess, billing, new_process, zoho
from tests.store.host import Host

__all__ = ["billing", "new_process", "zoho"]

pytestmark = pytest.mark.anyio

COLLECTIONS = {
    EntityType.CUSTOMER: "customers",
    EntityType.SUBSCRIPTION: "subscriptions",
    EntityType.INVOICE: "invoices",
    EntityType.PAYMENT: "payments",
}

EVERY_TYPE = pytest.mark.parametrize(
    "entity_type",
    [
        # The other three in the slow tier: they go the same way.
        pytest.param(entity_type, marks=() if entity_type is EntityType.INVOICE else pytest.mark.slow)
        for entity_type in EntityType
    ],
    ids=str,
)


@dataclass(frozen=True)
class Scene:
    """A customer that is in Zoho, and all that another record needs."""

    host: Host
    billing: Billing
    zoho: RunningSimulator
    customer: UUID
    package: UUID

    def add(self, entity_type: EntityType) -> UUID:
        """A row that needs one create."""
        match entity_type:
            case EntityType.CUSTOMER:
                return self.host.add_customer(2)
            case EntityType.SUBSCRIPTION:
                return self.billing.service(self.customer, self.package)
            case EntityType.INVOICE:
                return self.billing.invoice(self.customer)
            case EntityType.PAYMENT:
                return self.billing.payment(self.customer)

    def made(self, entity_type: EntityType) -> int:
        """Records of that type, the first customer aside."""
        return len(held(self.zoho, COLLECTIONS[entity_type])) - (entity_type is EntityType.CUSTOMER)

    def it_is_over(self) -> None:
        """What Zoho asked for has passed, and the pause between attempts has."""
        self.host.interfere(
            "UPDATE zoho_outbox_private.organisation"
            " SET probe_at = now(), throttled_until = now() WHERE throttled_until IS NOT NULL OR probe_at IS NOT NULL"
        )
        self.host.interfere(
            "UPDATE zoho_outbox_private.entity_state SET due_at = now() - interval '1 minute' WHERE phase = 'scheduled'"
        )

    def untouched(self, row: UUID) -> bool:
        """It is pending, nothing is in doubt, no attempt was burned."""
        state, entry = self.host.state(row), self.host.entry(row)
        return (state["attempts"], state["fate_unknown_at"], entry["status"], entry["attempts"]) == (
            0,
            None,
            "pending",
            0,
        )


@pytest.fixture
async def scene(host: Host, billing: Billing, zoho: RunningSimulator, new_process: NewProcess) -> Scene:
    zoho.simulator.plant_plan(plan_code=PLAN, recurring_price="899.00")
    package = billing.package()
    customer = host.add_customer(1)
    invoice = billing.invoice(customer)
    async with new_process() as process:
        # The catalogues are read, too: what follows is the create and nothing else.
        await process.turns_until_quiet()
        service = billing.service(customer, package)
        await process.turns_until_quiet()
    assert [billing.shown(row) for row in (customer, invoice, service)] == [("synced", None)] * 3
    for name in ("subscriptions", "invoices"):
        for record in held(zoho, name):
            zoho.simulator.remove(name, record[f"{name[:-1]}_id"])
    zoho.statistics.creates.clear()
    forget_requests(zoho)
    return Scene(host, billing, zoho, customer, package)


@EVERY_TYPE
@pytest.mark.parametrize(
    ("kind", "retry_after", "seconds"),
    [
        (FaultKind.RATE_LIMITED_43, 7.0, 7),
        (FaultKind.RATE_LIMITED_43, None, 3600),
        (FaultKind.RATE_LIMITED_44, None, 60),
        (FaultKind.RATE_LIMITED_1070, None, None),
    ],
    ids=["43-retry-after", "43", "44", "1070"],
)
async def test_a_throttle_stops_everybody_for_as_long_as_zoho_asks(
    scene: Scene,
    new_process: NewProcess,
    entity_type: EntityType,
    kind: FaultKind,
    retry_after: float | None,
    seconds: int | None,
) -> None:
    planted = {} if retry_after is None else {"retry_after_seconds": retry_after}
    scene.zoho.faults.plant(kind, "POST", f"/{COLLECTIONS[entity_type]}", **planted)
    row = scene.add(entity_type)
    async with new_process() as process, new_process() as other:
        await process.turn()
        assert scene.untouched(row)
        now = await other.engine.organisation.now()
        assert now.state is OrganisationState.THROTTLED
        assert now.since is not None
        assert now.until is not None
        assert now.why
        if seconds is not None:
            assert round((now.until - now.since).total_seconds()) == seconds
        for each in (other, process):
            await each.turn()
        assert routes(scene.zoho) == [f"POST /{COLLECTIONS[entity_type]}"]
        scene.it_is_over()
        await other.turns_until_quiet()
    assert scene.made(entity_type) == 1
    assert scene.billing.shown(row) == ("synced", None)


@EVERY_TYPE
async def test_a_used_up_day_is_asked_about_once_an_hour_and_goes_on_the_next(
    scene: Scene, new_process: NewProcess, entity_type: EntityType
) -> None:
    scene.zoho.settings.limits.requests_per_day = 1
    scene.zoho.simulator.limits.use_today(1, scene.zoho.clock.now())
    row = scene.add(entity_type)
    async with new_process() as process, new_process() as other:
        for each in (process, other, process, other):
            await each.turn()
        assert scene.untouched(row)
        assert scene.zoho.statistics.refused == {45: 1}
        scene.it_is_over()
        await other.turn()
        assert scene.zoho.statistics.refused == {45: 2}
        # The organisation's next day.
        scene.zoho.clock.advance(86_400)
        scene.zoho.settings.limits.requests_per_day = None
        scene.it_is_over()
        await process.turns_until_quiet()
    assert scene.untouched(row) is False
    assert scene.billing.shown(row) == ("synced", None)


@EVERY_TYPE
@pytest.mark.parametrize("lost", ["expired", "revoked", "scope"])
async def test_a_token_that_expired_is_replaced_and_one_that_a_person_must_mend_parks_everything(
    scene: Scene, new_process: NewProcess, entity_type: EntityType, lost: str
) -> None:
    tokens = scene.zoho.simulator.tokens
    row = scene.add(entity_type)
    match lost:
        case "expired":
            tokens.expire_all()
        case "revoked":
            tokens.revoke(scene.zoho.settings.refresh_token)
        case _:
            tokens.add(scene.zoho.settings.refresh_token, frozenset({"ZohoSubscriptions.settings.READ"}))
    async with new_process() as process, new_process() as other:
        await process.turn()
        if lost == "expired":
            await process.turns_until_quiet()
            assert tokens.minted == 2
        else:
            assert scene.untouched(row)
            now = await other.engine.organisation.now()
            assert now.state is OrganisationState.FORBIDDEN
            assert now.why is not None
            assert ("revoked" in now.why, "scope" in now.why) == (lost == "revoked", lost == "scope")
            before = (len(routes(scene.zoho)), scene.zoho.statistics.token_requests)
            for each in (other, process):
                await each.turn()
            assert (len(routes(scene.zoho)), scene.zoho.statistics.token_requests) == before
            # A person authorises anew, and starts the daemon with it.
            tokens.add(scene.zoho.settings.refresh_token, frozenset(scene.zoho.settings.scopes))
            scene.host.interfere("UPDATE zoho_outbox_private.access_token SET cooldown_until = NULL")
            async with new_process() as mended:
                await mended.engine.organisation.probe_at_once()
                await mended.turns_until_quiet()
                assert (await mended.engine.organisation.now()).state is OrganisationState.RUNNING
    assert scene.made(entity_type) == 1
    assert scene.billing.shown(row) == ("synced", None)


@EVERY_TYPE
@pytest.mark.parametrize(
    "address",
    [
        lambda _: "http://127.0.0.1:9/billing/v1",
        lambda _: "https://zoho.invalid/billing/v1",
        lambda zoho: f"https://127.0.0.1:{zoho.url.rpartition(':')[2]}/billing/v1",
    ],
    ids=["refused", "dns", "tls"],
)
async def test_a_zoho_that_cannot_be_reached_burns_no_attempt_and_leaves_nothing_in_doubt(
    scene: Scene, new_process: NewProcess, entity_type: EntityType, address: Callable[[RunningSimulator], str]
) -> None:
    row = scene.add(entity_type)
    async with new_process(ZOHO_API_BASE_URL=address(scene.zoho)) as away:
        for _ in range(3):
            await away.turn()
            assert scene.untouched(row)
            scene.it_is_over()
    assert "could not be reached" in scene.billing.error(row)
    assert routes(scene.zoho) == []
    async with new_process() as process:
        scene.it_is_over()
        await process.turns_until_quiet()
    assert scene.made(entity_type) == 1


@EVERY_TYPE
@pytest.mark.parametrize(
    "kind",
    [FaultKind.SERVER_ERROR_BEFORE, FaultKind.SERVER_ERROR_AFTER, FaultKind.BAD_GATEWAY_AFTER, FaultKind.HTML_AFTER],
    ids=str,
)
async def test_behind_an_open_breaker_one_request_asks_and_the_create_is_looked_for(
    scene: Scene, new_process: NewProcess, entity_type: EntityType, kind: FaultKind
) -> None:
    path = f"/{COLLECTIONS[entity_type]}"
    scene.zoho.faults.plant(kind, "POST", path)
    fault = scene.zoho.faults.plant(FaultKind.BAD_GATEWAY_BEFORE, "*", "*", times=None)
    row = scene.add(entity_type)
    async with new_process() as process, new_process() as other:
        await process.turn()
        # Said in words, on row and entry: an auditor sees that it is known to be open.
        assert "fate unknown" in scene.billing.error(row)
        assert "looking again" in str(scene.host.entry(row)["last_error"])
        for _ in range(6):
            if (await process.engine.organisation.now()).state is OrganisationState.BROKEN:
                break
            scene.it_is_over()
            scene.host.pass_time(row, 60)
            await process.turn()
        assert (await other.engine.organisation.now()).state is OrganisationState.BROKEN
        attempts = scene.host.state(row)["attempts"]
        for _ in range(3):
            scene.it_is_over()
            scene.host.pass_time(row, 60)
            before = len(routes(scene.zoho))
            for each in (other, process):
                await each.turn()
            assert len(routes(scene.zoho)) == before + 1
        assert scene.host.state(row)["attempts"] == attempts
        scene.zoho.faults.remove(fault.id)
        for _ in range(6):
            if scene.billing.shown(row)[0] == "synced":
                break
            scene.it_is_over()
            scene.host.pass_time(row, 60)
            await process.turns_until_quiet()
    assert scene.billing.shown(row)[0] == "synced"
    assert scene.made(entity_type) == 1

"""When everything is done."""

from tests.acceptance.running import until
from tests.store.host import Host


def unfinished(host: Host) -> list[dict[str, object]]:
    """What has something left to be done, or came to no good end."""
    return (
        host.rows("SELECT id, zoho_sync_status FROM public.customers WHERE zoho_sync_status IS DISTINCT FROM 'synced'")
        + host.rows("SELECT * FROM zoho_outbox_private.entity_state WHERE phase <> 'idle'")
        + host.rows("SELECT * FROM public.zoho_outbox WHERE finished_at IS NULL OR status <> 'done'")
    )


async def all_synced(host: Host, *, seconds: float = 60.0) -> None:
    """Waits until every customer is synced and nothing is open. Raises ``TimeoutError`` with what is."""
    try:
        await until(lambda: not unfinished(host), seconds=seconds, what="everything is synced and at rest")
    except TimeoutError as late:
        open_yet = "\n".join(map(str, unfinished(host)))
        raise TimeoutError(f"{late}:\n{open_yet}") from None

"""``GET /organizations`` (sheet 2.0)."""

from outbox.simulator.calls import Call
from outbox.simulator.replies import Reply, success


def list_all(call: Call) -> Reply:
    """The user's organisations; needs no organisation header."""
    default_id = call.settings.default_organization_id or call.settings.organisation.organization_id
    return success(
        "success",
        {
            "organizations": [
                {
                    "organization_id": books.organisation.organization_id,
                    "name": books.organisation.name,
                    "is_default_org": books.organisation.organization_id == default_id,
                    "plan_name": books.organisation.plan_name,
                    "plan_type": 0,
                    "version": "global",
                    "mode": books.organisation.mode,
                    "time_zone": books.organisation.time_zone,
                    "currency_id": books.currency_id,
                    "currency_code": books.organisation.currency_code,
                    "currency_symbol": books.organisation.currency_symbol,
                    "price_precision": books.organisation.price_precision,
                    "is_org_active": True,
                    "fiscal_year_start_month": 0,
                }
                for books in call.every_books.values()
            ]
        },
    )

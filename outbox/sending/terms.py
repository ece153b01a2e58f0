"""What sending needs to know of the settings."""

from dataclasses import dataclass, replace
from datetime import date

from outbox.clock import Clock
from outbox.entities.contract import Terms
from outbox.settings import LogPayloads, Settings
from outbox.vocabulary import Urgency


@dataclass(frozen=True)
class SendingTerms:
    """Limits of an attempt and of its repetition. Seconds throughout."""

    max_attempts: int
    retry_base: float
    retry_max: float
    recheck: float
    """Between the two clean looks before a create whose fate is unknown is sent again."""
    request: float
    """What a request may take."""
    payloads: LogPayloads
    kept_labels: tuple[str, ...]
    """Custom fields whose values are ids: they stay readable in masked payloads."""
    mapping: Terms
    """Without a day (:meth:`of_today` gives it) and without catalogues (:mod:`outbox.sending.catalogue`)."""

    def of_today(self, clock: Clock, urgency: int) -> Terms:
        """The mapping's terms as they are now, for work of that urgency."""
        today = clock.now(self.mapping.zone).date()
        return replace(self.mapping, today=today, in_backfill=urgency >= Urgency.BACKFILL)

    @classmethod
    def from_settings(cls, settings: Settings, *, payloads_allowed: bool) -> "SendingTerms":
        """``payloads_allowed`` false: zoho_sync_logs is readable by others (decisions.md, Rows and rights)."""
        labels = (settings.zoho_external_id_field, settings.zoho_account_number_field)
        return cls(
            max_attempts=settings.outbox_max_attempts,
            retry_base=settings.outbox_retry_base_seconds,
            retry_max=settings.outbox_retry_max_seconds,
            recheck=settings.outbox_ambiguous_recheck_seconds,
            request=settings.zoho_request_timeout_seconds,
            payloads=settings.outbox_log_payloads if payloads_allowed else LogPayloads.NONE,
            kept_labels=tuple(label for label in labels if label is not None),
            mapping=Terms(
                settings.zoho_currency,
                *labels,
                zone=settings.zone,
                today=date.min,
                recurring_billing=settings.zoho_recurring_billing,
                recurring_payments=settings.zoho_recurring_payments,
                cancel_at=settings.zoho_cancel_at,
                on_suspend=settings.zoho_on_suspend,
                tax_ids=settings.zoho_tax_ids,
            ),
        )

"""``simulate-zoho``: the options of the command line as settings of the simulator."""

from outbox.simulator.settings import (
    CustomerSettings,
    LimitSettings,
    OrganisationSettings,
    SimulatorSettings,
    Undocumented,
    UndocumentedSettings,
)


def simulator_settings(
    *,
    latency_milliseconds: int,
    list_lag_seconds: float,
    wide_limits: bool,
    requests_per_minute: int,
    requests_per_day: int,
    concurrent_requests: int,
    currency: str,
    refuse_duplicate_names: bool,
    email_required: bool,
    undocumented: str,
) -> SimulatorSettings:
    """Zoho's free plan with what the options change. A limit of 0 is none; ``wide_limits`` switches all off."""
    limits = LimitSettings(
        requests_per_minute=requests_per_minute or None,
        requests_per_day=requests_per_day or None,
        concurrent_requests=concurrent_requests or None,
    )
    filters = Undocumented(undocumented)
    return SimulatorSettings(
        organisation=OrganisationSettings(currency_code=currency),
        customers=CustomerSettings(
            allow_duplicate_display_names=not refuse_duplicate_names, email_required=email_required
        ),
        undocumented=UndocumentedSettings(customers_email=filters, customers_phone=filters),
        limits=LimitSettings.wide() if wide_limits else limits,
        latency_seconds=latency_milliseconds / 1000,
        list_lag_seconds=list_lag_seconds,
    )

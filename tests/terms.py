"""Terms of the mapping as tests take them: the defaults of every setting, on an ordinary day."""

from datetime import date
from zoneinfo import ZoneInfo

from outbox.entities.contract import Terms

TERMS = Terms("ZAR", "External ID", "Account Number", zone=ZoneInfo("Africa/Johannesburg"), today=date(2026, 1, 15))

-- Deletes what was counted by day and mint past the retention, and processes that were not heard of for a day.
WITH days AS (
    DELETE FROM zoho_outbox_private.day_budget AS used
    WHERE used.day < current_date - %(days)s
),
hits AS (
    DELETE FROM zoho_outbox_private.rate_limit_day AS day
    WHERE day.day < current_date - %(days)s
),
gone AS (
    DELETE FROM zoho_outbox_private.session AS session
    WHERE session.seen_at < clock_timestamp() - interval '1 day'
)
DELETE FROM zoho_outbox_private.token_mint AS mint
WHERE mint.minted_at < clock_timestamp() - interval '7 days'

-- Deletes what was counted by day and mint past the retention.
WITH days AS (
    DELETE FROM zoho_outbox_private.day_budget AS used
    WHERE used.day < current_date - %(days)s
),
hits AS (
    DELETE FROM zoho_outbox_private.rate_limit_day AS day
    WHERE day.day < current_date - %(days)s
)
DELETE FROM zoho_outbox_private.token_mint AS mint
WHERE mint.minted_at < clock_timestamp() - interval '7 days'

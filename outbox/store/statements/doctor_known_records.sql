-- Of each type the newest record in Zoho that we wrote, to read its custom fields. For doctor.
-- A customer that has an account number, because a field without a value is not shown.
SELECT DISTINCT ON (state.entity_type)
    state.entity_type,
    state.zoho_id,
    NULLIF(btrim(customer.account_number), '') IS NOT NULL AS has_account_number
FROM zoho_outbox_private.entity_state AS state
LEFT JOIN public.customers AS customer ON state.entity_type = 'customer' AND customer.id = state.entity_id
WHERE state.zoho_id IS NOT NULL AND state.sent_at IS NOT NULL
ORDER BY state.entity_type, has_account_number DESC, state.sent_at DESC

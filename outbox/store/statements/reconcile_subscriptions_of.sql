-- Zoho's subscriptions of a customer, as far as our services know them.
SELECT DISTINCT known.zoho_id
FROM zoho_outbox_private.entity_state AS customer
JOIN public.customer_services AS service ON service.customer_id = customer.entity_id
LEFT JOIN zoho_outbox_private.entity_state AS state
    ON state.entity_id = service.id AND state.entity_type = 'subscription'
CROSS JOIN LATERAL (VALUES (state.zoho_id), (btrim(service.zoho_subscription_id))) AS known (zoho_id)
WHERE customer.entity_type = 'customer' AND customer.zoho_id = %(customer)s AND known.zoho_id <> ''

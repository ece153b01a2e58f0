"""What :mod:`outbox.demo.feed` asks the database, as the operator."""

# How people know the row of an entry. A service has no number: its customer's, and what was sold.
_KNOWN = """
LEFT JOIN public.customer_services AS service
    ON entry.entity_type = 'subscription' AND service.id = entry.entity_id
LEFT JOIN public.customer_invoices AS invoice
    ON entry.entity_type = 'invoice' AND invoice.id = entry.entity_id
LEFT JOIN public.payment_transactions AS payment
    ON entry.entity_type = 'payment' AND payment.id = entry.entity_id
LEFT JOIN public.customers AS customer
    ON customer.id = CASE entry.entity_type
        WHEN 'customer' THEN entry.entity_id
        WHEN 'subscription' THEN service.customer_id
    END
"""
_KEY = "COALESCE(invoice.invoice_number, payment.transaction_id, customer.account_number, entry.entity_id::text)"
_NAME = """
CASE entry.entity_type
    WHEN 'subscription' THEN service.package_name
    WHEN 'invoice' THEN concat_ws(' ', COALESCE(invoice.invoice_type, '(no type)'), invoice.total_amount)
    WHEN 'payment' THEN concat_ws(' ', payment.payment_method, payment.amount)
    ELSE COALESCE(NULLIF(customer.business_name, ''), concat_ws(' ', customer.first_name, customer.last_name))
END
"""

ENTRIES = f"""
SELECT
    entry.id,
    entry.entity_type,
    entry.entity_id,
    entry.status,
    entry.revision,
    entry.change,
    entry.requested_by,
    entry.outcome,
    entry.waiting_for,
    entry.last_error,
    entry.zoho_id,
    entry.next_attempt_at,
    entry.created_at,
    entry.finished_at,
    {_KEY} AS key,
    {_NAME} AS name
FROM public.zoho_outbox AS entry
{_KNOWN}
WHERE entry.id > %(after)s OR entry.finished_at IS NULL OR entry.id = ANY (%(open)s)
ORDER BY entry.id
"""  # noqa: S608 - constants alone

SENDS = """
SELECT DISTINCT ON (log.outbox_id)
    log.outbox_id,
    log.request_payload ->> 'method' AS method,
    log.request_payload ->> 'path'   AS path,
    log.duration_ms,
    log.api_calls
FROM public.zoho_sync_logs AS log
WHERE log.outbox_id = ANY (%(ids)s)
ORDER BY log.outbox_id, log.created_at DESC
"""

_HOST = """
WITH host_row AS (
    SELECT
        'customer' AS entity_type,
        host.id,
        host.zoho_billing_customer_id AS zoho_id,
        host.zoho_sync_status,
        host.zoho_last_synced_at,
        host.zoho_last_sync_error
    FROM public.customers AS host
    UNION ALL
    SELECT
        'subscription' AS entity_type,
        host.id,
        host.zoho_subscription_id AS zoho_id,
        host.zoho_sync_status,
        host.zoho_last_synced_at,
        host.zoho_last_sync_error
    FROM public.customer_services AS host
    UNION ALL
    SELECT
        'invoice' AS entity_type,
        host.id,
        host.zoho_billing_invoice_id AS zoho_id,
        host.zoho_sync_status,
        host.zoho_last_synced_at,
        host.zoho_last_sync_error
    FROM public.customer_invoices AS host
    UNION ALL
    SELECT
        'payment' AS entity_type,
        host.id,
        host.zoho_payment_id AS zoho_id,
        host.zoho_sync_status,
        host.zoho_last_synced_at,
        host.zoho_last_sync_error
    FROM public.payment_transactions AS host
)
"""

COUNTS = f"""
{_HOST}
SELECT
    host_row.entity_type,
    COALESCE(open.status, host_row.zoho_sync_status) AS standing,
    count(*)
FROM host_row
LEFT JOIN LATERAL (
    SELECT entry.status
    FROM public.zoho_outbox AS entry
    WHERE entry.entity_type = host_row.entity_type AND entry.entity_id = host_row.id AND entry.finished_at IS NULL
    ORDER BY entry.id DESC
    LIMIT 1
) AS open ON true
GROUP BY host_row.entity_type, standing
"""  # noqa: S608 - constants alone

UNSETTLED = """
SELECT EXISTS (
    SELECT FROM public.zoho_outbox AS entry
    WHERE entry.finished_at IS NULL AND entry.status IN ('pending', 'processing')
)
"""

NOT_SYNCED = f"""
SELECT latest.*
FROM (
    SELECT DISTINCT ON (entry.entity_type, entry.entity_id)
        entry.entity_type,
        entry.status,
        COALESCE(entry.waiting_for, entry.last_error, entry.outcome) AS reason,
        {_KEY} AS key,
        {_NAME} AS name
    FROM public.zoho_outbox AS entry
    {_KNOWN}
    ORDER BY entry.entity_type, entry.entity_id, entry.id DESC
) AS latest
WHERE latest.status <> 'done'
ORDER BY
    array_position(ARRAY['waiting', 'skipped', 'dead'], latest.status),
    array_position(ARRAY['customer', 'subscription', 'invoice', 'payment'], latest.entity_type),
    latest.key
"""  # noqa: S608 - constants alone

HOST_ROWS = f"""
{_HOST}
SELECT
    host_row.id,
    host_row.zoho_id,
    host_row.zoho_sync_status     AS status,
    host_row.zoho_last_synced_at  AS synced_at,
    host_row.zoho_last_sync_error AS error,
    count(log.id)                 AS logged
FROM host_row
LEFT JOIN public.zoho_sync_logs AS log
    ON log.entity_type = host_row.entity_type AND log.entity_id = host_row.id AND log.status = 'success'
GROUP BY host_row.id, 2, 3, 4, 5
"""  # noqa: S608 - constants alone

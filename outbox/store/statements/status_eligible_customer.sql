-- Customers that are to be in Zoho, and those that are. What is eligible: outbox/entities/customer.py; a test holds the
-- two equal.
SELECT
    count(*)                                                                AS eligible,
    count(*) FILTER (WHERE btrim(customer.zoho_billing_customer_id) <> '')  AS in_zoho
FROM public.customers AS customer
WHERE customer.account_type <> 'internal_test'

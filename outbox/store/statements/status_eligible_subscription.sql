-- Services whose subscriptions are to be in Zoho, and those that are. What is eligible: outbox/entities/subscription.py;
-- a test holds the two equal. One that has ended counts where Zoho has it: none is created to be born ended.
SELECT
    count(*)                                                            AS eligible,
    count(*) FILTER (WHERE btrim(service.zoho_subscription_id) <> '')   AS in_zoho
FROM public.customer_services AS service
JOIN public.customers AS customer ON customer.id = service.customer_id
WHERE customer.account_type <> 'internal_test'
    AND (
        (
            %(recurring_billing)s::text = 'zoho'
            AND (service.status = 'active' OR (service.status = 'suspended' AND %(on_suspend)s::text = 'keep'))
        )
        -- One that Zoho has and that has ended is ended there, whoever bills.
        OR (
            btrim(service.zoho_subscription_id) <> ''
            AND (
                service.status = 'cancelled'
                OR (service.status = 'suspended' AND %(on_suspend)s::text <> 'keep')
            )
        )
    )

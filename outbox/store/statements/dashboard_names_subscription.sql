-- What people call services: the package, and whose it is.
SELECT
    service.id,
    service.package_name AS title,
    concat_ws(
        ', ',
        COALESCE(NULLIF(btrim(customer.business_name), ''), btrim(concat_ws(' ', customer.first_name, customer.last_name))),
        customer.account_number
    )                    AS detail
FROM public.customer_services AS service
LEFT JOIN public.customers AS customer ON customer.id = service.customer_id
WHERE service.id = ANY (%(ids)s)

-- What people call customers: the name, and the account number beside it.
SELECT
    customer.id,
    COALESCE(NULLIF(btrim(customer.business_name), ''), btrim(concat_ws(' ', customer.first_name, customer.last_name))) AS title,
    customer.account_number                                                                                            AS detail
FROM public.customers AS customer
WHERE customer.id = ANY (%(ids)s)

-- Account numbers of customers: how people name them.
SELECT customer.id, customer.account_number
FROM public.customers AS customer
WHERE customer.id = ANY (%(ids)s)

-- A customer by account number.
SELECT customer.id
FROM public.customers AS customer
WHERE customer.account_number = %(account_number)s

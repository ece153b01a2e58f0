-- Why a row is where it is.
SELECT public.zoho_explain(%(entity_type)s, %(entity_id)s) AS explained

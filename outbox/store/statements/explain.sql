-- Why a row is where it is, and what to do next: sql/repeatable/05_explain.sql.
SELECT public.zoho_explain(%(entity_type)s, %(entity_id)s) AS told

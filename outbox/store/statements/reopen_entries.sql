-- Sets entries to pending, as an operator would; the guard on the table does the rest, and rings the bell. What somebody
-- else holds, and what was taken up meanwhile, is left.
WITH failed AS MATERIALIZED (
    SELECT entry.id
    FROM public.zoho_outbox AS entry
    WHERE entry.id = ANY (%(ids)s::bigint[]) AND entry.admitted AND entry.status IN ('dead', 'pending')
    FOR UPDATE OF entry SKIP LOCKED
)
UPDATE public.zoho_outbox AS entry
SET status = 'pending'
FROM failed
WHERE entry.id = failed.id
RETURNING entry.id

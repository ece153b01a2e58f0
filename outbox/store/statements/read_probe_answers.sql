-- What doctor --probe found out of an organisation, as far as it was not too long ago to go by.
SELECT
    answer.question,
    answer.answer
FROM zoho_outbox_private.probe_answer AS answer
WHERE answer.organization_id = %(organization_id)s
    AND answer.answered_at > clock_timestamp() - make_interval(secs => %(oldest_seconds)s)

-- What doctor --probe found out of an organisation.
SELECT
    answer.question,
    answer.answer,
    answer.said,
    answer.answered_at
FROM zoho_outbox_private.probe_answer AS answer
WHERE answer.organization_id = %(organization_id)s
ORDER BY answer.question

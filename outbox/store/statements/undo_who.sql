-- Who undoes, and the pause it is done in.
SELECT session_user::text AS who, organisation.paused_at, organisation.paused_by, organisation.paused_why
FROM zoho_outbox_private.organisation AS organisation
WHERE organisation.only_row

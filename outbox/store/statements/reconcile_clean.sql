-- Both sides were compared whole and are equal: what an earlier timeline sent is known again.
UPDATE zoho_outbox_private.installation AS installation
SET look_first_since = NULL, look_first_why = NULL
WHERE installation.look_first_since IS NOT NULL
    AND installation.look_first_since < %(begun)s
RETURNING installation.only_row

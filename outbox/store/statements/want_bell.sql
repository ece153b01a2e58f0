-- An idle daemon asks to be rung, or one that woke up says that it is enough. Written only where it changes.
UPDATE zoho_outbox_private.bell AS bell
SET wanted = %(wanted)s
WHERE bell.only_row AND bell.wanted <> %(wanted)s

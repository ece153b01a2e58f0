-- Triggers of ours that are there, and whether they fire always (also while a replica-mode load runs).
SELECT
    class.relname::text                 AS table_name,
    trigger.tgname::text                AS name,
    trigger.tgenabled = 'A'             AS always,
    trigger.tgenabled = 'D'             AS disabled
FROM pg_trigger AS trigger
JOIN pg_class AS class ON class.oid = trigger.tgrelid
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
JOIN pg_proc AS function ON function.oid = trigger.tgfoid
JOIN pg_namespace AS ours ON ours.oid = function.pronamespace
WHERE namespace.nspname = 'public'
    AND ours.nspname = 'zoho_outbox_private'
    AND NOT trigger.tgisinternal

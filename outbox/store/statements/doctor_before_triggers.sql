-- BEFORE UPDATE row triggers of the host on tables that are captured: what such a trigger changes is not in the column
-- list of the UPDATE, so UPDATE OF does not see it. For doctor, which reads the functions' texts.
SELECT
    class.relname::text                                     AS table_name,
    trigger.tgname::text                                    AS name,
    format('%%I.%%I', namespace.nspname, proc.proname)      AS function,
    language.lanname::text                                  AS language,
    proc.prosrc                                             AS source,
    -- Arguments end with a zero byte each, which no text may hold.
    encode(trigger.tgargs, 'escape')                        AS arguments
FROM pg_trigger AS trigger
JOIN pg_class AS class ON class.oid = trigger.tgrelid
JOIN pg_proc AS proc ON proc.oid = trigger.tgfoid
JOIN pg_namespace AS namespace ON namespace.oid = proc.pronamespace
JOIN pg_language AS language ON language.oid = proc.prolang
WHERE class.relnamespace = 'public'::regnamespace
    AND class.relname = ANY (%(tables)s)
    AND NOT trigger.tgisinternal
    AND NOT starts_with(trigger.tgname, 'zoho_outbox_')
    AND trigger.tgenabled <> 'D'
    -- Bits of tgtype: 1 for each row, 2 before, 16 on update.
    AND trigger.tgtype & 19 = 19
ORDER BY class.relname, trigger.tgname

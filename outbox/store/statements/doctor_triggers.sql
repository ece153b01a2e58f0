-- Our triggers as they stand: enabled is A (always), O (not for a replica-mode load), R, or D (disabled). For doctor.
SELECT
    class.relname::text         AS table_name,
    trigger.tgname::text        AS name,
    trigger.tgenabled::text     AS enabled
FROM pg_trigger AS trigger
JOIN pg_class AS class ON class.oid = trigger.tgrelid
WHERE class.relnamespace = 'public'::regnamespace
    AND starts_with(trigger.tgname, 'zoho_outbox_')
    AND NOT trigger.tgisinternal

-- Zoho is unwell. After some failures in a row the breaker opens: nobody sends but a single probe.
UPDATE zoho_outbox_private.organisation AS organisation
SET
    outages_in_a_row = organisation.outages_in_a_row + 1,
    broken_at = CASE
        WHEN organisation.broken_at IS NOT NULL THEN organisation.broken_at
        WHEN organisation.outages_in_a_row + 1 >= %(opens_at)s THEN clock_timestamp()
    END,
    probe_at = CASE
        WHEN organisation.broken_at IS NULL AND organisation.outages_in_a_row + 1 >= %(opens_at)s
            THEN clock_timestamp() + interval '5 seconds'
        ELSE organisation.probe_at
    END,
    broken_why = %(why)s
WHERE organisation.only_row
RETURNING
    organisation.broken_at IS NOT NULL                                              AS broken,
    organisation.broken_at IS NOT NULL AND organisation.outages_in_a_row = %(opens_at)s AS opened

-- What Zoho said of the organisation.
UPDATE zoho_outbox_private.installation AS installation
SET
    organisation_name = %(name)s,
    organisation_mode = %(mode)s,
    organisation_currency = %(currency)s,
    organisation_time_zone = %(time_zone)s,
    organisation_checked_at = clock_timestamp()

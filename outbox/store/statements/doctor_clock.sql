-- The database's clock. For doctor, which compares it with this machine's.
SELECT clock_timestamp() AS now

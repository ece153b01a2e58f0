-- Puts the askers for permission in line, all replicas and commands together.
SELECT FROM zoho_outbox_private.request_budget AS budget WHERE budget.only_row FOR UPDATE OF budget

-- Capture triggers of a host table. INSERT by statement with a transition table (0.74 of no trigger at one client,
-- against 0.71 by row); UPDATE by row, because PostgreSQL refuses transition tables together with column lists, and
-- the list is what makes an update of other columns free (1.02; 0.81 with WHEN alone).
-- ENABLE ALWAYS: a replica-mode load must be captured too.
CREATE OR REPLACE TRIGGER zoho_outbox_inserted AFTER INSERT ON public.{table}
    REFERENCING NEW TABLE AS captured
    FOR EACH STATEMENT EXECUTE FUNCTION zoho_outbox_private.capture_inserted({entity_type});
ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER zoho_outbox_inserted;

CREATE OR REPLACE TRIGGER zoho_outbox_updated AFTER UPDATE OF {mapped_columns} ON public.{table}
    FOR EACH ROW WHEN (({old_columns}) IS DISTINCT FROM ({new_columns}){concerns_zoho})
    EXECUTE FUNCTION zoho_outbox_private.capture_updated({entity_type});
ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER zoho_outbox_updated;

CREATE OR REPLACE TRIGGER zoho_outbox_requested AFTER UPDATE OF zoho_sync_status ON public.{table}
    FOR EACH ROW WHEN (NEW.zoho_sync_status = 'pending')
    EXECUTE FUNCTION zoho_outbox_private.capture_requested({entity_type});
ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER zoho_outbox_requested;

CREATE OR REPLACE TRIGGER zoho_outbox_id_set AFTER UPDATE OF {zoho_id} ON public.{table}
    FOR EACH ROW WHEN (NEW.{zoho_id} <> '' AND NEW.{zoho_id} IS DISTINCT FROM OLD.{zoho_id})
    EXECUTE FUNCTION zoho_outbox_private.capture_id_set({entity_type}, {zoho_id_text});
ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER zoho_outbox_id_set;

CREATE OR REPLACE TRIGGER zoho_outbox_deleted AFTER DELETE ON public.{table}
    REFERENCING OLD TABLE AS captured
    FOR EACH STATEMENT EXECUTE FUNCTION zoho_outbox_private.capture_deleted({entity_type}, {zoho_id_text});
ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER zoho_outbox_deleted;

CREATE OR REPLACE TRIGGER zoho_outbox_truncated BEFORE TRUNCATE ON public.{table}
    FOR EACH STATEMENT EXECUTE FUNCTION zoho_outbox_private.capture_truncated({entity_type}, {zoho_id_text});
ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER zoho_outbox_truncated;

-- The host database: the tables that CircleTel's own applications own and write to, as they are in production,
-- before zoho-outbox is installed beside them. `zoho-outbox demo` and the tests create them from this file.
--
-- Run it as the role that is to own the tables; it needs no more than CREATE on the schema `public`.
-- zoho-outbox adds its own columns (zoho_sync_status and the rest) and tables with `zoho-outbox migrate`.

-- Customers. E-mail is NOT NULL and unique, so the one customer without an address has the empty string.
CREATE TABLE public.customers (
    id                    uuid         NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    first_name            varchar(100) NOT NULL,
    last_name             varchar(100) NOT NULL,
    email                 varchar(255) NOT NULL UNIQUE,
    phone                 varchar(20)  NOT NULL,
    id_number             varchar(20),
    email_verified        boolean      DEFAULT false,
    status                varchar(50)  DEFAULT 'active',
    created_at            timestamptz  DEFAULT now(),
    updated_at            timestamptz  DEFAULT now(),
    account_type          text         NOT NULL DEFAULT 'personal'
        CONSTRAINT customers_account_type_check CHECK (account_type IN ('personal', 'business', 'internal_test')),
    auth_user_id          uuid         UNIQUE,
    business_name         varchar(255),
    business_registration varchar(100),
    tax_number            varchar(100),
    account_number        varchar(20)  UNIQUE,
    account_status        varchar(20)  DEFAULT 'active'
        CONSTRAINT customers_account_status_check
            CHECK (account_status IN ('active', 'suspended', 'cancelled', 'pending'))
);
COMMENT ON COLUMN public.customers.account_number IS 'As customers know it: CT-2025-00002';
COMMENT ON COLUMN public.customers.business_name IS 'Set for business customers: the name they trade under';

-- What can be bought.
CREATE TABLE public.service_packages (
    id            uuid          NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    name          varchar(100)  NOT NULL,
    service_type  varchar(50)   NOT NULL,
    speed_down    integer       NOT NULL,
    speed_up      integer       NOT NULL,
    price         numeric(10,2) NOT NULL,
    active        boolean       DEFAULT true,
    sku           text,
    slug          text          UNIQUE,
    status        text          DEFAULT 'active',
    customer_type varchar(20)   DEFAULT 'consumer'
);

-- What a customer has bought, and where it is installed. The only postal address in this database is here.
CREATE TABLE public.customer_services (
    id                   uuid          NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    customer_id          uuid          NOT NULL REFERENCES public.customers (id),
    package_id           uuid,
    package_name         varchar(255)  NOT NULL,
    service_type         varchar(100)  NOT NULL,
    product_category     varchar(100),
    monthly_price        numeric(10,2) NOT NULL,
    setup_fee            numeric(10,2) DEFAULT 0,
    status               varchar(50)   NOT NULL DEFAULT 'pending'
        CONSTRAINT customer_services_status_check CHECK (status IN ('pending', 'active', 'suspended', 'cancelled')),
    active               boolean       DEFAULT true,
    installation_address text,
    installation_date    date,
    activation_date      date,
    contract_months      integer       DEFAULT 0,
    contract_start_date  date,
    contract_end_date    date,
    billing_day          integer       DEFAULT 1
        CONSTRAINT customer_services_billing_day_check CHECK (billing_day BETWEEN 1 AND 28),
    last_invoice_date    date,
    connection_id        varchar(100),
    cancelled_at         timestamptz,
    created_at           timestamptz   DEFAULT now(),
    updated_at           timestamptz   DEFAULT now()
);
COMMENT ON COLUMN public.customer_services.package_id IS 'Empty on services that were activated from an order';
COMMENT ON COLUMN public.customer_services.monthly_price IS 'Includes VAT for consumers';

-- Which package was published to Zoho, and as what.
CREATE TABLE public.product_integrations (
    id                   uuid        NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    service_package_id   uuid        NOT NULL UNIQUE REFERENCES public.service_packages (id),
    zoho_billing_plan_id text,
    zoho_billing_item_id text,
    sync_status          text        NOT NULL DEFAULT 'pending'
        CONSTRAINT product_integrations_sync_status_check CHECK (sync_status IN ('pending', 'ok', 'failed')),
    last_synced_at       timestamptz,
    last_sync_error      text
);

CREATE TABLE public.customer_invoices (
    id              uuid          NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    customer_id     uuid          NOT NULL REFERENCES public.customers (id),
    invoice_number  varchar(100)  NOT NULL UNIQUE,
    invoice_date    date          NOT NULL,
    due_date        date          NOT NULL,
    subtotal        numeric(10,2) NOT NULL,
    tax_amount      numeric(10,2) DEFAULT 0,
    total_amount    numeric(10,2) NOT NULL,
    amount_paid     numeric(10,2) DEFAULT 0,
    amount_due      numeric(10,2) NOT NULL,
    status          varchar(50)   NOT NULL DEFAULT 'draft'
        CONSTRAINT customer_invoices_status_check
            CHECK (status IN ('draft', 'sent', 'paid', 'partial', 'overdue', 'cancelled', 'voided')),
    paid_at         timestamptz,
    line_items      jsonb,
    invoice_type    varchar(50)   DEFAULT 'recurring',
    service_id      uuid,
    vat_rate        numeric(5,2)  DEFAULT 15.00,
    notes           text,
    period_start    date,
    period_end      date,
    is_locked       boolean       DEFAULT false,
    voided_at       timestamptz,
    void_reason     text,
    zoho_invoice_id varchar(100),
    created_at      timestamptz   DEFAULT now(),
    updated_at      timestamptz   DEFAULT now()
);
COMMENT ON COLUMN public.customer_invoices.line_items IS
    'A list of {description, quantity, unit_price, amount}; older elements lack some of them';
COMMENT ON COLUMN public.customer_invoices.zoho_invoice_id IS 'Legacy, written by an earlier integration';

-- One row for each thing that a customer or a payment provider was asked to pay.
CREATE TABLE public.payment_transactions (
    id                     uuid          NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    transaction_id         text          NOT NULL UNIQUE,
    reference              text          NOT NULL,
    provider               text          NOT NULL
        CONSTRAINT payment_transactions_provider_check
            CHECK (provider IN ('netcash', 'zoho_billing', 'payfast', 'paygate')),
    amount                 numeric(10,2) NOT NULL
        CONSTRAINT payment_transactions_amount_check CHECK (amount > 0),
    currency               text          NOT NULL DEFAULT 'ZAR',
    status                 text          NOT NULL DEFAULT 'pending'
        CONSTRAINT payment_transactions_status_check
            CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'refunded', 'cancelled', 'expired')),
    payment_method         text,
    payment_method_details jsonb,
    customer_email         text,
    customer_name          text,
    customer_id            uuid,
    invoice_id             uuid,
    customer_invoice_id    uuid,
    order_id               uuid,
    provider_reference     text,
    provider_response      jsonb,
    metadata               jsonb,
    initiated_at           timestamptz   NOT NULL DEFAULT now(),
    completed_at           timestamptz,
    created_at             timestamptz   NOT NULL DEFAULT now(),
    updated_at             timestamptz   NOT NULL DEFAULT now()
);
COMMENT ON COLUMN public.payment_transactions.customer_invoice_id IS 'The invoice; older rows have it in invoice_id';

-- Every UPDATE of an invoice leaves the whole row, before and after, here. An integration that writes an invoice
-- more often than it must fills this table.
CREATE TABLE public.customer_invoice_audit (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    invoice_id uuid        NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT session_user,
    old_row    jsonb       NOT NULL,
    new_row    jsonb       NOT NULL
);

-- SECURITY DEFINER: whoever may update an invoice leaves a trace, also without a right on the table of traces.
CREATE FUNCTION public.customer_invoices_write_audit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
    INSERT INTO public.customer_invoice_audit (invoice_id, old_row, new_row)
    VALUES (NEW.id, to_jsonb(OLD), to_jsonb(NEW));
    RETURN NULL;
END
$$;

CREATE TRIGGER customer_invoices_audit
    AFTER UPDATE ON public.customer_invoices
    FOR EACH ROW EXECUTE FUNCTION public.customer_invoices_write_audit();

-- A locked invoice is in the books. What it says about money stays; its payment, its void and its notes do not.
CREATE FUNCTION public.customer_invoices_refuse_change_of_locked() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    IF (OLD.customer_id, OLD.invoice_number, OLD.invoice_date, OLD.due_date,
        OLD.subtotal, OLD.tax_amount, OLD.total_amount, OLD.line_items)
        IS DISTINCT FROM
       (NEW.customer_id, NEW.invoice_number, NEW.invoice_date, NEW.due_date,
        NEW.subtotal, NEW.tax_amount, NEW.total_amount, NEW.line_items)
    THEN
        RAISE EXCEPTION 'Invoice % is locked: its financial columns cannot be changed', OLD.invoice_number
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER customer_invoices_locked
    BEFORE UPDATE ON public.customer_invoices
    FOR EACH ROW WHEN (OLD.is_locked)
    EXECUTE FUNCTION public.customer_invoices_refuse_change_of_locked();

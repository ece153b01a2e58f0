-- One row of each kind that production holds. Only columns of November 2025; later ones in rows_today.sql.
-- Ids tell their table: ...c000N customers, e packages, a services, d invoices, b payments.
INSERT INTO public.customers
    (id, first_name, last_name, email, phone, account_type, business_name, tax_number, account_number,
     account_status) VALUES
    ('00000000-0000-4000-8000-0000000c0001', 'Anna', 'Meadow', 'anna.meadow@example.com', '+27 21 555 0101',
     'personal', NULL, NULL, 'CT-2025-00101', 'active'),
    ('00000000-0000-4000-8000-0000000c0002', 'Ben', 'Quarry', 'accounts@quarry.example.com', '+27 21 555 0102',
     'business', 'Quarry & Sons Trading', '4990000002', 'CT-2025-00102', 'active'),
    ('00000000-0000-4000-8000-0000000c0003', 'Cleo', 'Harbour', 'cleo.harbour@example.com', '+27 21 555 0103',
     'personal', NULL, NULL, 'CT-2025-00103', 'suspended'),
    ('00000000-0000-4000-8000-0000000c0004', 'Dan', 'Orchard', '', '+27 21 555 0104',
     'personal', NULL, NULL, 'CT-2025-00104', 'active'),
    ('00000000-0000-4000-8000-0000000c0005', 'Test', 'Account', 'test.account@example.com', '+27 21 555 0105',
     'internal_test', NULL, NULL, 'CT-2025-00105', 'active'),
    ('00000000-0000-4000-8000-0000000c0006', 'Eve', 'Bridge', 'eve.bridge@example.com', '+27 21 555 0106',
     'personal', NULL, NULL, NULL, 'cancelled'),
    ('00000000-0000-4000-8000-0000000c0007', 'Finn', 'Lagoon', 'finn.lagoon@example.com', '+27 21 555 0107',
     'personal', NULL, NULL, 'CT-2025-00107', 'pending');

INSERT INTO public.service_packages
    (id, name, service_type, speed_down, speed_up, price, sku, slug, customer_type) VALUES
    ('00000000-0000-4000-8000-0000000e0001', 'Fibre 50/50', 'fibre', 50, 50, 799.00, 'FIBRE-50', 'fibre-50',
     'consumer'),
    ('00000000-0000-4000-8000-0000000e0002', 'Wireless 20/10', 'wireless', 20, 10, 499.00, 'WIRELESS-20',
     'wireless-20', 'consumer'),
    ('00000000-0000-4000-8000-0000000e0003', 'Business 200/200', 'fibre', 200, 200, 2499.00, NULL,
     'business-200', 'business');

INSERT INTO public.product_integrations
    (service_package_id, zoho_billing_plan_id, zoho_billing_item_id, sync_status, last_sync_error) VALUES
    ('00000000-0000-4000-8000-0000000e0001', '4600000000020001', '4600000000021001', 'ok', NULL),
    ('00000000-0000-4000-8000-0000000e0002', NULL, NULL, 'failed', 'Product not found');

INSERT INTO public.customer_services
    (id, customer_id, package_id, package_name, service_type, monthly_price, status, active,
     installation_address, activation_date, billing_day, last_invoice_date, cancelled_at) VALUES
    ('00000000-0000-4000-8000-0000000a0001', '00000000-0000-4000-8000-0000000c0001',
     '00000000-0000-4000-8000-0000000e0001', 'Fibre 50/50', 'fibre', 799.00, 'active', true,
     '1 Example Street, Cape Town', '2025-10-12', 1, '2025-11-01', NULL),
    ('00000000-0000-4000-8000-0000000a0002', '00000000-0000-4000-8000-0000000c0002',
     NULL, 'Business 200/200', 'fibre', 2499.00, 'active', true,
     '2 Example Road, Cape Town', '2025-11-03', 15, NULL, NULL),
    ('00000000-0000-4000-8000-0000000a0003', '00000000-0000-4000-8000-0000000c0003',
     '00000000-0000-4000-8000-0000000e0002', 'Wireless 20/10', 'wireless', 499.00, 'suspended', false,
     '3 Example Avenue, Cape Town', '2025-06-20', 1, '2025-11-01', NULL),
    ('00000000-0000-4000-8000-0000000a0004', '00000000-0000-4000-8000-0000000c0004',
     '00000000-0000-4000-8000-0000000e0001', 'Fibre 50/50', 'fibre', 799.00, 'pending', true,
     NULL, NULL, 1, NULL, NULL),
    ('00000000-0000-4000-8000-0000000a0005', '00000000-0000-4000-8000-0000000c0006',
     '00000000-0000-4000-8000-0000000e0001', 'Fibre 50/50', 'fibre', 799.00, 'cancelled', false,
     '6 Example Lane, Cape Town', '2025-01-15', 28, '2025-08-28', '2025-09-14 09:30+02');

INSERT INTO public.customer_invoices
    (id, customer_id, invoice_number, invoice_date, due_date, subtotal, tax_amount, total_amount, amount_paid,
     amount_due, status, paid_at, line_items, is_locked, voided_at, void_reason) VALUES
    ('00000000-0000-4000-8000-0000000d0001', '00000000-0000-4000-8000-0000000c0001', 'INV-2025-00001',
     '2025-11-01', '2025-11-08', 694.78, 104.22, 799.00, 799.00, 0, 'paid', '2025-11-05 10:00+02',
     '[{"description": "Fibre 50/50", "quantity": 1, "unit_price": 799.00, "amount": 799.00}]', true, NULL, NULL),
    ('00000000-0000-4000-8000-0000000d0002', '00000000-0000-4000-8000-0000000c0002', 'INV-2025-00002',
     '2025-11-04', '2025-11-11', 1500.00, 225.00, 1725.00, 0, 1725.00, 'sent', NULL,
     '[{"description": "Installation", "amount": 1725.00}]', false, NULL, NULL),
    ('00000000-0000-4000-8000-0000000d0003', '00000000-0000-4000-8000-0000000c0003', 'INV-2025-00003',
     '2025-10-01', '2025-10-08', 433.91, 65.09, 499.00, 0, 0, 'voided', NULL, NULL, false,
     '2025-10-09 12:00+02', 'Raised twice'),
    ('00000000-0000-4000-8000-0000000d0004', '00000000-0000-4000-8000-0000000c0001', 'INV-2025-00004',
     '2025-12-01', '2025-12-08', 694.78, 104.22, 799.00, 0, 799.00, 'draft', NULL, '[]', false, NULL, NULL);

INSERT INTO public.payment_transactions
    (id, transaction_id, reference, provider, amount, status, payment_method, customer_id, invoice_id, metadata,
     initiated_at, completed_at) VALUES
    ('00000000-0000-4000-8000-0000000b0001', 'NC-0001', 'INV-2025-00001', 'netcash', 799.00, 'completed', 'eft',
     '00000000-0000-4000-8000-0000000c0001', '00000000-0000-4000-8000-0000000d0001', NULL,
     '2025-11-05 09:58+02', '2025-11-05 10:00+02'),
    ('00000000-0000-4000-8000-0000000b0002', 'PF-0002', 'INV-2025-00002', 'payfast', 500.00, 'completed', 'card',
     NULL, '00000000-0000-4000-8000-0000000d0002', NULL, '2025-11-06 23:55+02', '2025-11-07 00:05+02'),
    ('00000000-0000-4000-8000-0000000b0003', 'PM-VAL-0003', 'Card check', 'netcash', 1.00, 'completed', 'card',
     '00000000-0000-4000-8000-0000000c0003', NULL, '{"type": "payment_method_validation"}',
     '2025-11-07 08:00+02', '2025-11-07 08:00+02'),
    ('00000000-0000-4000-8000-0000000b0004', 'NC-0004', 'Refused', 'netcash', 499.00, 'failed', 'debit_order',
     '00000000-0000-4000-8000-0000000c0003', NULL, NULL, '2025-11-08 08:00+02', NULL),
    ('00000000-0000-4000-8000-0000000b0005', 'ZB-0005', 'Paid at Zoho', 'zoho_billing', 799.00, 'completed',
     'card', '00000000-0000-4000-8000-0000000c0001', NULL, NULL, '2025-11-09 08:00+02', '2025-11-09 08:01+02');

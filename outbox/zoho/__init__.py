"""The Zoho Billing client: tokens, permission, one request, one classified answer. Knows no entity."""

-- add_tenant --
-- Store a new tenant, in its own transaction.
INSERT INTO registry.tenants (
    id, name, display_name, max_concurrent_runs, max_datasets, max_checks_per_dataset, state, revision, create_time, update_time
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- get_tenant --
-- Read the tenant.
SELECT * FROM registry.tenants WHERE id = $1;

-- hold_tenant --
-- Read the tenant and keep it from being changed or deleted; others may do the same meanwhile.
SELECT * FROM registry.tenants WHERE id = $1 FOR SHARE;

-- lock_tenant --
-- Read the tenant and keep everybody else from holding it.
SELECT * FROM registry.tenants WHERE id = $1 FOR UPDATE;

-- update_tenant --
-- Store a changed tenant.
UPDATE registry.tenants
SET display_name = $2, max_concurrent_runs = $3, max_datasets = $4, max_checks_per_dataset = $5, state = $6, revision = $7, update_time = $8
WHERE id = $1;

-- remove_keys_of_tenant --
-- Delete the API keys that go with a tenant.
DELETE FROM registry.api_keys WHERE tenant_id = $1;

-- remove_requests_of_tenant --
-- Delete the remembered creates that go with a tenant.
DELETE FROM registry.create_requests WHERE tenant_id = $1;

-- remove_tenant --
-- Delete the tenant itself.
DELETE FROM registry.tenants WHERE id = $1;

-- list_tenants --
-- A page of all tenants, oldest first.
SELECT * FROM registry.list_tenants($1, $2, $3);

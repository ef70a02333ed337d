-- find_request --
-- The create that was made under a request id in the last 24 hours.
SELECT resource_id, sealed_digest
FROM registry.create_requests
WHERE method = $1 AND request_id = $2 AND create_time >= now() - interval '24 hours';

-- claim_request --
-- Remember a create; no row when the id is taken. Waits for a transaction that is claiming it.
INSERT INTO registry.create_requests AS known (tenant_id, method, request_id, resource_id, sealed_digest)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, method, request_id) DO UPDATE
    SET resource_id = excluded.resource_id, sealed_digest = excluded.sealed_digest, create_time = now()
    WHERE known.create_time < now() - interval '24 hours'
RETURNING true;

-- find_platform_request --
-- Like find_request, for creates of tenants.
SELECT resource_id, sealed_digest FROM registry.find_platform_request($1, $2);

-- claim_platform_request --
-- Like claim_request, for creates of tenants.
SELECT registry.claim_platform_request($1, $2, $3, $4);

-- forget_requests --
-- Delete what is older than 24 hours, of all tenants; how many there were.
SELECT registry.forget_requests();

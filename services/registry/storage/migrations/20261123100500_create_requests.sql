-- migrate:up

-- Creates that can be repeated under their request id, for 24 hours. The nil UUID stands for the platform.
CREATE TABLE registry.create_requests (
    tenant_id     uuid NOT NULL,
    method        text NOT NULL,
    request_id    text NOT NULL,
    resource_id   uuid NOT NULL,
    -- Sealed: it is a digest of what was asked for, which may hold a password.
    sealed_digest bytea NOT NULL,
    create_time   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, method, request_id)
);
CREATE INDEX create_requests_time_idx ON registry.create_requests (create_time);

ALTER TABLE registry.create_requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE registry.create_requests FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON registry.create_requests
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT, UPDATE, DELETE ON registry.create_requests TO registry_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON registry.create_requests TO registry_system;

-- Creates of tenants belong to no tenant, yet their claim must be in the transaction of the new one.
CREATE FUNCTION registry.claim_platform_request(wanted_method text, wanted_request_id text, new_resource_id uuid, new_digest bytea)
    RETURNS boolean
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = registry, pg_temp
    AS $$
        INSERT INTO registry.create_requests AS known (tenant_id, method, request_id, resource_id, sealed_digest)
        VALUES ('00000000-0000-0000-0000-000000000000', wanted_method, wanted_request_id, new_resource_id, new_digest)
        ON CONFLICT (tenant_id, method, request_id) DO UPDATE
            SET resource_id = excluded.resource_id, sealed_digest = excluded.sealed_digest, create_time = now()
            WHERE known.create_time < now() - interval '24 hours'
        RETURNING true
    $$;
REVOKE ALL ON FUNCTION registry.claim_platform_request(text, text, uuid, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.claim_platform_request(text, text, uuid, bytea) TO registry_app;
ALTER FUNCTION registry.claim_platform_request(text, text, uuid, bytea) OWNER TO registry_system;

CREATE FUNCTION registry.find_platform_request(wanted_method text, wanted_request_id text) RETURNS SETOF registry.create_requests
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = registry, pg_temp
    AS $$
        SELECT *
        FROM registry.create_requests
        WHERE tenant_id = '00000000-0000-0000-0000-000000000000' AND method = wanted_method AND request_id = wanted_request_id
            AND create_time >= now() - interval '24 hours'
    $$;
REVOKE ALL ON FUNCTION registry.find_platform_request(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.find_platform_request(text, text) TO registry_app;
ALTER FUNCTION registry.find_platform_request(text, text) OWNER TO registry_system;

CREATE FUNCTION registry.forget_requests() RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = registry, pg_temp
    AS $$
        WITH forgotten AS (
            DELETE FROM registry.create_requests WHERE create_time < now() - interval '24 hours' RETURNING 1
        )
        SELECT count(*) FROM forgotten
    $$;
REVOKE ALL ON FUNCTION registry.forget_requests() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.forget_requests() TO registry_app;
ALTER FUNCTION registry.forget_requests() OWNER TO registry_system;

-- migrate:down

DROP FUNCTION registry.forget_requests();
DROP FUNCTION registry.find_platform_request(text, text);
DROP FUNCTION registry.claim_platform_request(text, text, uuid, bytea);
DROP TABLE registry.create_requests;

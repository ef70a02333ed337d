-- migrate:up

CREATE TABLE registry.api_keys (
    id            uuid PRIMARY KEY,
    tenant_id     uuid NOT NULL REFERENCES registry.tenants (id),
    name          text NOT NULL,
    role          text NOT NULL CHECK (role IN ('viewer', 'editor', 'tenant_admin')),
    -- SHA-256 of the key; the key itself is nowhere.
    key_hash      bytea NOT NULL CHECK (octet_length(key_hash) = 32),
    create_time   timestamptz NOT NULL,
    expire_time   timestamptz,
    revoke_time   timestamptz,
    -- To the minute.
    last_use_time timestamptz,
    CONSTRAINT api_keys_tenant_key UNIQUE (tenant_id, id)
);
-- The name of a revoked key is free again.
CREATE UNIQUE INDEX api_keys_name_key ON registry.api_keys (tenant_id, name) WHERE revoke_time IS NULL;

ALTER TABLE registry.api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE registry.api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON registry.api_keys
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT, UPDATE, DELETE ON registry.api_keys TO registry_app;
GRANT SELECT, UPDATE ON registry.api_keys TO registry_system;

-- A caller with a key has no tenant yet: the key says which.
CREATE FUNCTION registry.find_api_key(wanted_id uuid) RETURNS SETOF registry.api_keys
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = registry, pg_temp
    AS $$ SELECT * FROM registry.api_keys WHERE id = wanted_id $$;
REVOKE ALL ON FUNCTION registry.find_api_key(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.find_api_key(uuid) TO registry_app;
ALTER FUNCTION registry.find_api_key(uuid) OWNER TO registry_system;

-- Uses of keys are collected over all tenants and stored together.
CREATE FUNCTION registry.note_key_uses(key_ids uuid[], use_times timestamptz[]) RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = registry, pg_temp
    AS $$
        UPDATE registry.api_keys
        SET last_use_time = used.use_time
        FROM unnest(key_ids, use_times) AS used (key_id, use_time)
        WHERE id = used.key_id AND (last_use_time IS NULL OR last_use_time < used.use_time)
    $$;
REVOKE ALL ON FUNCTION registry.note_key_uses(uuid[], timestamptz[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.note_key_uses(uuid[], timestamptz[]) TO registry_app;
ALTER FUNCTION registry.note_key_uses(uuid[], timestamptz[]) OWNER TO registry_system;

-- migrate:down

DROP FUNCTION registry.note_key_uses(uuid[], timestamptz[]);
DROP FUNCTION registry.find_api_key(uuid);
DROP TABLE registry.api_keys;

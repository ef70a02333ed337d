-- migrate:up

CREATE TABLE registry.connections (
    id             uuid PRIMARY KEY,
    tenant_id      uuid NOT NULL REFERENCES registry.tenants (id),
    name           text NOT NULL,
    description    text NOT NULL,
    -- The kind says what `settings` holds: the fields of that kind, without secrets.
    kind           text NOT NULL CHECK (kind IN ('snowflake', 'postgres')),
    settings       jsonb NOT NULL,
    -- The sealed secret: an AES-256-GCM envelope that opens only for this tenant, connection and version.
    secret_kind    text CHECK (secret_kind IN ('password', 'private_key_pem')),
    secret_version integer CHECK (secret_version > 0),
    sealed_secret  bytea,
    revision       integer NOT NULL,
    create_time    timestamptz NOT NULL,
    update_time    timestamptz NOT NULL,
    CONSTRAINT connections_name_key UNIQUE (tenant_id, name),
    -- What refers to a connection does so within its tenant.
    CONSTRAINT connections_tenant_key UNIQUE (tenant_id, id),
    CONSTRAINT connections_secret_whole CHECK (num_nulls(secret_kind, secret_version, sealed_secret) IN (0, 3))
);

ALTER TABLE registry.connections ENABLE ROW LEVEL SECURITY;
ALTER TABLE registry.connections FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON registry.connections
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT, UPDATE, DELETE ON registry.connections TO registry_app;

-- migrate:down

DROP TABLE registry.connections;

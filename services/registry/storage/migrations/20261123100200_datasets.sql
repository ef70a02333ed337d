-- migrate:up

CREATE TABLE registry.datasets (
    id               uuid PRIMARY KEY,
    tenant_id        uuid NOT NULL REFERENCES registry.tenants (id),
    name             text NOT NULL,
    connection_id    uuid NOT NULL,
    -- As the API calls them; empty for the connection's own. The longer names spare quoting of reserved words.
    table_name       text NOT NULL,
    schema_name      text NOT NULL,
    database_name    text NOT NULL,
    -- As written, comments included.
    checks_yaml      text NOT NULL,
    drift_yaml       text NOT NULL,
    check_count      integer NOT NULL CHECK (check_count >= 0),
    description      text NOT NULL,
    owner            text NOT NULL,
    tags             text[] NOT NULL,
    variables        jsonb NOT NULL,
    -- NULL where no policy was given.
    samples_limit    integer CHECK (samples_limit BETWEEN 0 AND 100),
    excluded_columns text[],
    revision         integer NOT NULL,
    create_time      timestamptz NOT NULL,
    update_time      timestamptz NOT NULL,
    CONSTRAINT datasets_name_key UNIQUE (tenant_id, name),
    CONSTRAINT datasets_tenant_key UNIQUE (tenant_id, id),
    CONSTRAINT datasets_connection_fkey FOREIGN KEY (tenant_id, connection_id) REFERENCES registry.connections (tenant_id, id)
);
CREATE INDEX datasets_connection_idx ON registry.datasets (tenant_id, connection_id);

ALTER TABLE registry.datasets ENABLE ROW LEVEL SECURITY;
ALTER TABLE registry.datasets FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON registry.datasets
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT, UPDATE, DELETE ON registry.datasets TO registry_app;

-- migrate:down

DROP TABLE registry.datasets;

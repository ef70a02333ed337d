-- migrate:up

-- Organisations. A row belongs to the tenant that it is: what works on another's row runs in a transaction of that tenant.
CREATE TABLE registry.tenants (
    id                     uuid PRIMARY KEY,
    name                   text NOT NULL CONSTRAINT tenants_name_key UNIQUE,
    display_name           text NOT NULL,
    -- 0 stands for the platform's default.
    max_concurrent_runs    integer NOT NULL CHECK (max_concurrent_runs BETWEEN 0 AND 100),
    max_datasets           integer NOT NULL CHECK (max_datasets BETWEEN 0 AND 100000),
    max_checks_per_dataset integer NOT NULL CHECK (max_checks_per_dataset BETWEEN 0 AND 2000),
    state                  text NOT NULL CHECK (state IN ('ACTIVE', 'SUSPENDED')),
    -- Counts the changes; the etag is made of it.
    revision               integer NOT NULL,
    create_time            timestamptz NOT NULL,
    update_time            timestamptz NOT NULL
);

ALTER TABLE registry.tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE registry.tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON registry.tenants
    USING (id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT, UPDATE, DELETE ON registry.tenants TO registry_app;
GRANT SELECT ON registry.tenants TO registry_system;

-- All tenants, for platform admins: the one look across that a policy of one tenant cannot give.
CREATE FUNCTION registry.list_tenants(wanted_name text, after_id uuid, most integer) RETURNS SETOF registry.tenants
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = registry, pg_temp
    AS $$
        SELECT *
        FROM registry.tenants
        WHERE (wanted_name = '' OR name = wanted_name) AND (after_id IS NULL OR id > after_id)
        ORDER BY id
        LIMIT most
    $$;
REVOKE ALL ON FUNCTION registry.list_tenants(text, uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.list_tenants(text, uuid, integer) TO registry_app;
ALTER FUNCTION registry.list_tenants(text, uuid, integer) OWNER TO registry_system;

-- migrate:down

DROP FUNCTION registry.list_tenants(text, uuid, integer);
DROP TABLE registry.tenants;

-- migrate:up

-- No foreign keys: the trail outlives what it is about, tenants included.
CREATE TABLE registry.audit_events (
    id             uuid PRIMARY KEY,
    -- NULL for the platform.
    tenant_id      uuid,
    create_time    timestamptz NOT NULL,
    actor          text NOT NULL,
    action         text NOT NULL,
    resource_type  text NOT NULL,
    resource_id    text NOT NULL,
    outcome        text NOT NULL CHECK (outcome IN ('ALLOWED', 'DENIED')),
    remote_address text NOT NULL,
    request_id     text NOT NULL,
    -- The fields that changed, without secrets.
    before         jsonb,
    after          jsonb
);
CREATE INDEX audit_events_time_idx ON registry.audit_events (tenant_id, create_time, id);

ALTER TABLE registry.audit_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE registry.audit_events FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON registry.audit_events
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

-- Neither UPDATE nor DELETE: what was written stays.
GRANT SELECT, INSERT ON registry.audit_events TO registry_app;
GRANT SELECT, INSERT ON registry.audit_events TO registry_system;

-- Events of other services come for several tenants at once, and denied calls for none.
CREATE FUNCTION registry.record_audit_events(events jsonb) RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = registry, pg_temp
    AS $$
        INSERT INTO registry.audit_events
        SELECT event.*
        FROM jsonb_to_recordset(events) AS event (
            id uuid, tenant_id uuid, create_time timestamptz, actor text, action text, resource_type text, resource_id text,
            outcome text, remote_address text, request_id text, before jsonb, after jsonb
        )
        ON CONFLICT (id) DO NOTHING
    $$;
REVOKE ALL ON FUNCTION registry.record_audit_events(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.record_audit_events(jsonb) TO registry_app;
ALTER FUNCTION registry.record_audit_events(jsonb) OWNER TO registry_system;

-- migrate:down

DROP FUNCTION registry.record_audit_events(jsonb);
DROP TABLE registry.audit_events;

-- Audit events, written with the change itself and relayed to the registry at least once.
-- migrate:up
CREATE TABLE drift.outbox (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    payload jsonb NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_time timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX outbox_due ON drift.outbox (next_attempt_time);

ALTER TABLE drift.outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE drift.outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON drift.outbox
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT INSERT ON drift.outbox TO drift_app;
GRANT SELECT, UPDATE, DELETE ON drift.outbox TO drift_system;

-- migrate:down
DROP TABLE drift.outbox;

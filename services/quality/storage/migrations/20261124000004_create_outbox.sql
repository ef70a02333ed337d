-- What other services must hear of, written with the change itself and relayed at least once.
-- migrate:up
CREATE TABLE quality.outbox (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('RUN_FINISHED', 'AUDIT')),
    payload jsonb NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_time timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX outbox_due ON quality.outbox (kind, next_attempt_time);

ALTER TABLE quality.outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE quality.outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON quality.outbox
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT INSERT ON quality.outbox TO quality_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON quality.outbox TO quality_system;

-- migrate:down
DROP TABLE quality.outbox;

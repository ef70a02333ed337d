-- When datasets are run by themselves: at most one schedule a dataset.
-- migrate:up
CREATE TABLE quality.schedules (
    tenant_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    dataset_name text NOT NULL,
    cron text NOT NULL,
    timezone text NOT NULL,
    paused boolean NOT NULL,
    kinds text[] NOT NULL CHECK (kinds <@ ARRAY['QUALITY', 'DRIFT']),  -- empty: all that the dataset is set up for
    next_run_time timestamptz,
    last_run_time timestamptz,
    update_time timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,      -- the etag: one more with every change by a user
    PRIMARY KEY (tenant_id, dataset_id),
    CHECK (paused = (next_run_time IS NULL))
);

CREATE INDEX schedules_due ON quality.schedules (next_run_time) WHERE NOT paused;

ALTER TABLE quality.schedules ENABLE ROW LEVEL SECURITY;
ALTER TABLE quality.schedules FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON quality.schedules
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT, UPDATE, DELETE ON quality.schedules TO quality_app;
GRANT SELECT, UPDATE ON quality.schedules TO quality_system;

-- migrate:down
DROP TABLE quality.schedules;

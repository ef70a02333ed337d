-- What runs found: results, the few rows that were kept, and the history that later checks compare with.
-- migrate:up
CREATE TABLE quality.check_results (
    tenant_id uuid NOT NULL,
    run_id uuid NOT NULL,
    position integer NOT NULL,               -- order of the YAML
    check_id text NOT NULL,
    name text NOT NULL,
    definition text NOT NULL,
    table_name text NOT NULL,
    column_name text NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('PASS', 'WARN', 'FAIL', 'ERROR', 'NOT_EVALUATED')),
    measured_value double precision,
    threshold text NOT NULL,
    failed_rows_count bigint,
    message text NOT NULL,
    query text NOT NULL,
    line integer NOT NULL,
    attributes jsonb NOT NULL DEFAULT '{}',
    samples jsonb,                           -- {"columns": [...], "rows": [[...]]}; NULL when none were kept
    PRIMARY KEY (run_id, position),
    FOREIGN KEY (tenant_id, run_id) REFERENCES quality.runs (tenant_id, id) ON DELETE CASCADE
);

ALTER TABLE quality.check_results ENABLE ROW LEVEL SECURITY;
ALTER TABLE quality.check_results FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON quality.check_results
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT ON quality.check_results TO quality_app;
GRANT SELECT, DELETE ON quality.check_results TO quality_system;

CREATE TABLE quality.measurements (
    tenant_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    metric_identity text NOT NULL,
    data_time timestamptz NOT NULL,
    value jsonb NOT NULL,
    run_id uuid NOT NULL                     -- no foreign key: history outlives the run that measured it
);

-- Identities are as long as a user's SQL, and a btree key is not: the index holds their hash.
CREATE INDEX measurements_newest ON quality.measurements (tenant_id, dataset_id, md5(metric_identity), data_time DESC);
CREATE INDEX measurements_age ON quality.measurements (data_time);

ALTER TABLE quality.measurements ENABLE ROW LEVEL SECURITY;
ALTER TABLE quality.measurements FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON quality.measurements
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT ON quality.measurements TO quality_app;
GRANT SELECT, DELETE ON quality.measurements TO quality_system;

-- migrate:down
DROP TABLE quality.measurements;
DROP TABLE quality.check_results;

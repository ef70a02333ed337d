-- What was found, what was said about it, and which run found it.
-- migrate:up
CREATE TABLE drift.findings (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    profile_id uuid,                         -- no foreign key: findings outlive profiles
    run_id uuid,
    identity text NOT NULL,                  -- of one profile: found again by a later run in the same period it is the same finding
    kind text NOT NULL CHECK (kind IN ('SCHEMA', 'VOLUME', 'DISTRIBUTION')),
    severity text NOT NULL CHECK (severity IN ('INFO', 'WARNING', 'CRITICAL')),
    content jsonb NOT NULL,                  -- change, columns, message, confidence, figures
    plots jsonb NOT NULL DEFAULT '[]',
    baseline_version integer NOT NULL,
    partition_time timestamptz NOT NULL,
    create_time timestamptz NOT NULL,
    feedback jsonb,                          -- the newest row of drift.feedback
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, dataset_id, identity)
);

CREATE INDEX findings_newest ON drift.findings (tenant_id, create_time DESC, id DESC);
CREATE INDEX findings_of_dataset ON drift.findings (tenant_id, dataset_id, create_time DESC, id DESC);
CREATE INDEX findings_age ON drift.findings (create_time);

ALTER TABLE drift.findings ENABLE ROW LEVEL SECURITY;
ALTER TABLE drift.findings FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON drift.findings
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT, UPDATE ON drift.findings TO drift_app;
GRANT SELECT, DELETE ON drift.findings TO drift_system;

CREATE TABLE drift.feedback (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    finding_id uuid NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('EXPECTED', 'FALSE', 'REAL')),
    comment text NOT NULL,
    author text NOT NULL,
    create_time timestamptz NOT NULL,
    FOREIGN KEY (tenant_id, finding_id) REFERENCES drift.findings (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX feedback_of_finding ON drift.feedback (tenant_id, finding_id, create_time);

ALTER TABLE drift.feedback ENABLE ROW LEVEL SECURITY;
ALTER TABLE drift.feedback FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON drift.feedback
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT ON drift.feedback TO drift_app;
GRANT SELECT, DELETE ON drift.feedback TO drift_system;

CREATE TABLE drift.evaluations (
    tenant_id uuid NOT NULL,
    run_id uuid NOT NULL,                    -- given by the caller: a repeated call answers what the first one found
    dataset_id uuid NOT NULL,
    finding_ids uuid[] NOT NULL,             -- worst first
    partitions_judged integer NOT NULL,
    complete boolean NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, run_id)
);

CREATE INDEX evaluations_age ON drift.evaluations (create_time);

ALTER TABLE drift.evaluations ENABLE ROW LEVEL SECURITY;
ALTER TABLE drift.evaluations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON drift.evaluations
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT ON drift.evaluations TO drift_app;
GRANT SELECT, DELETE ON drift.evaluations TO drift_system;

-- migrate:down
DROP TABLE drift.evaluations;
DROP TABLE drift.feedback;
DROP TABLE drift.findings;

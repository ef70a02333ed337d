-- Runs are the queue and the record at once: a row is claimed, held by a lease, and ends.
-- migrate:up
CREATE TABLE quality.runs (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    dataset_name text NOT NULL,
    kinds text[] NOT NULL CHECK (cardinality(kinds) > 0 AND kinds <@ ARRAY['QUALITY', 'DRIFT']),
    trigger text NOT NULL CHECK (trigger IN ('MANUAL', 'SCHEDULE', 'API')),
    triggered_by text NOT NULL,
    variables jsonb NOT NULL DEFAULT '{}',
    request_id text CHECK (request_id <> ''),  -- given by the caller; the same one answers the same run
    dedupe_key text,                           -- dataset@time of a schedule: many schedulers make one run
    state text NOT NULL DEFAULT 'QUEUED' CHECK (state IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'ERRORED', 'CANCELLED')),
    verdict text CHECK (verdict IN ('PASS', 'WARN', 'FAIL', 'ERROR')),
    error_reason text NOT NULL DEFAULT '',
    error_message text NOT NULL DEFAULT '',
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_attempt_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    start_time timestamptz,
    end_time timestamptz,
    attempts integer NOT NULL DEFAULT 0,       -- times a worker started it
    failures integer NOT NULL DEFAULT 0,       -- attempts that count against it
    lease_token uuid,                          -- the fencing token: whoever does not name it records nothing
    lease_expires_at timestamptz,
    worker text,
    cancel_requested boolean NOT NULL DEFAULT false,
    checks_total integer NOT NULL DEFAULT 0,
    checks_passed integer NOT NULL DEFAULT 0,
    checks_warned integer NOT NULL DEFAULT 0,
    checks_failed integer NOT NULL DEFAULT 0,
    checks_errored integer NOT NULL DEFAULT 0,
    checks_not_evaluated integer NOT NULL DEFAULT 0,
    drifts jsonb NOT NULL DEFAULT '[]',
    UNIQUE (tenant_id, id),
    CHECK ((state = 'RUNNING') = (lease_token IS NOT NULL)),
    CHECK ((state IN ('SUCCEEDED', 'ERRORED', 'CANCELLED')) = (end_time IS NOT NULL))
);

CREATE UNIQUE INDEX runs_request_id ON quality.runs (tenant_id, dataset_id, request_id) WHERE request_id IS NOT NULL;
CREATE UNIQUE INDEX runs_dedupe_key ON quality.runs (tenant_id, dedupe_key) WHERE dedupe_key IS NOT NULL;
CREATE INDEX runs_newest ON quality.runs (tenant_id, create_time DESC, id DESC);
CREATE INDEX runs_of_dataset ON quality.runs (tenant_id, dataset_id, create_time DESC, id DESC);
CREATE INDEX runs_due ON quality.runs (tenant_id, next_attempt_time, id) WHERE state = 'QUEUED';
CREATE INDEX runs_leased ON quality.runs (lease_expires_at) WHERE state = 'RUNNING';
CREATE INDEX runs_ended ON quality.runs (end_time) WHERE end_time IS NOT NULL;

ALTER TABLE quality.runs ENABLE ROW LEVEL SECURITY;
ALTER TABLE quality.runs FORCE ROW LEVEL SECURITY;
-- nullif: after the first transaction of a session the setting is '' and not NULL, which would not cast.
CREATE POLICY tenant ON quality.runs
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT, UPDATE ON quality.runs TO quality_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON quality.runs TO quality_system;

-- The running count stands in the row that is locked to claim: two workers cannot both take the last place.
CREATE TABLE quality.tenant_quotas (
    tenant_id uuid PRIMARY KEY,
    cap integer NOT NULL CHECK (cap >= 1),
    running integer NOT NULL DEFAULT 0 CHECK (running >= 0),
    last_claim_time timestamptz              -- tenants take turns: the one that waited longest is next
);

ALTER TABLE quality.tenant_quotas ENABLE ROW LEVEL SECURITY;
ALTER TABLE quality.tenant_quotas FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON quality.tenant_quotas
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT, UPDATE ON quality.tenant_quotas TO quality_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON quality.tenant_quotas TO quality_system;

-- migrate:down
DROP TABLE quality.tenant_quotas;
DROP TABLE quality.runs;

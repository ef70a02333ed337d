-- Backfills are the queue and the record at once: a row is claimed, held by a lease, and ends.
-- migrate:up
CREATE TABLE drift.backfills (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'QUEUED' CHECK (state IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'ERRORED', 'CANCELLED')),
    source text NOT NULL CHECK (source IN ('PARTITION_COLUMN', 'TIME_TRAVEL')),
    max_partitions integer NOT NULL,
    requested_by text NOT NULL,
    from_time timestamptz,
    to_time timestamptz,
    partitions_total integer NOT NULL DEFAULT 0,
    partitions_done integer NOT NULL DEFAULT 0,
    cancel_requested boolean NOT NULL DEFAULT false,
    error_reason text NOT NULL DEFAULT '',
    error_message text NOT NULL DEFAULT '',
    lease_token uuid,                        -- the fencing token: whoever does not name it records nothing
    lease_expires_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    start_time timestamptz,
    end_time timestamptz,
    CHECK ((state = 'RUNNING') = (lease_token IS NOT NULL)),
    CHECK ((state IN ('SUCCEEDED', 'ERRORED', 'CANCELLED')) = (end_time IS NOT NULL))
);

CREATE UNIQUE INDEX backfills_one_at_a_time ON drift.backfills (tenant_id, dataset_id) WHERE state IN ('QUEUED', 'RUNNING');
CREATE INDEX backfills_newest ON drift.backfills (tenant_id, dataset_id, create_time DESC);
CREATE INDEX backfills_waiting ON drift.backfills (create_time) WHERE state IN ('QUEUED', 'RUNNING');

ALTER TABLE drift.backfills ENABLE ROW LEVEL SECURITY;
ALTER TABLE drift.backfills FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON drift.backfills
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT, UPDATE ON drift.backfills TO drift_app;
GRANT SELECT, UPDATE, DELETE ON drift.backfills TO drift_system;

-- migrate:down
DROP TABLE drift.backfills;

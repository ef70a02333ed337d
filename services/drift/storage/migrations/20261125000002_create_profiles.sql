-- Profiles: figures of partitions, never rows.
-- migrate:up
CREATE TABLE drift.profiles (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    layout text NOT NULL,
    period timestamptz NOT NULL,
    partition_time timestamptz NOT NULL,
    row_count bigint NOT NULL,
    standing text NOT NULL CHECK (standing IN ('NORMAL', 'DRIFTED', 'ACCEPTED', 'INCOMPLETE')),
    band jsonb,                              -- {"expected", "low", "high", "smallest_change"}
    backfilled boolean NOT NULL,
    run_id uuid,
    create_time timestamptz NOT NULL,
    body text NOT NULL,                      -- the engine's compact JSON
    UNIQUE (tenant_id, dataset_id, layout, period)
);

CREATE INDEX profiles_newest ON drift.profiles (tenant_id, dataset_id, partition_time DESC, id DESC);
CREATE INDEX profiles_age ON drift.profiles (create_time);

ALTER TABLE drift.profiles ENABLE ROW LEVEL SECURITY;
ALTER TABLE drift.profiles FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON drift.profiles
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT, UPDATE ON drift.profiles TO drift_app;
GRANT SELECT, DELETE ON drift.profiles TO drift_system;

-- migrate:down
DROP TABLE drift.profiles;

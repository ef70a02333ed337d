-- Versions of what is normal. The active one is named by drift.watches.
-- migrate:up
CREATE TABLE drift.baselines (
    tenant_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    origin text NOT NULL CHECK (origin IN ('INITIAL', 'BACKFILL', 'ACCEPTED', 'ADOPTED', 'ROLLBACK', 'EXPIRY')),
    parent_version integer NOT NULL,
    window_start timestamptz,
    window_end timestamptz,
    profile_ids uuid[] NOT NULL,
    columns text[] NOT NULL,                 -- accepted ones; empty for all
    mode text CHECK (mode IN ('ONCE', 'FROM_NOW_ON')),
    author text NOT NULL,
    reason text NOT NULL,
    create_time timestamptz NOT NULL,
    expire_time timestamptz,
    figures jsonb NOT NULL,
    closing_state text NOT NULL DEFAULT '',  -- what was known when the next version took its place: rolling back restores it
    closing_period timestamptz,              -- newest period by then
    PRIMARY KEY (tenant_id, dataset_id, version)
);

ALTER TABLE drift.baselines ENABLE ROW LEVEL SECURITY;
ALTER TABLE drift.baselines FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON drift.baselines
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT, UPDATE ON drift.baselines TO drift_app;
GRANT SELECT, DELETE ON drift.baselines TO drift_system;

-- migrate:down
DROP TABLE drift.baselines;

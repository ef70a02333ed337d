-- What the engine knows of a dataset between evaluations, and the salt of its tenant's hashes.
-- migrate:up
CREATE TABLE drift.watches (
    tenant_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    layout text NOT NULL,                    -- partition column, grain and zone: another layout starts anew
    state text NOT NULL,                     -- the engine's, read by nobody else
    before text NOT NULL,                    -- the state before the newest period, which is judged again by every run in it
    period timestamptz NOT NULL,             -- newest period that was judged
    baseline_version integer NOT NULL,       -- the active one
    memos jsonb NOT NULL DEFAULT '{}',       -- by column: histogram edges and what else was decided once
    exact boolean NOT NULL,
    decisions jsonb NOT NULL DEFAULT '[]',   -- acceptances since `before`
    lag integer NOT NULL,
    revision bigint NOT NULL DEFAULT 1,      -- names the state that an evaluation started from: two at once do not overwrite each other
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, dataset_id)
);

ALTER TABLE drift.watches ENABLE ROW LEVEL SECURITY;
ALTER TABLE drift.watches FORCE ROW LEVEL SECURITY;
-- nullif: after the first transaction of a session the setting is '' and not NULL, which would not cast.
CREATE POLICY tenant ON drift.watches
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT, UPDATE ON drift.watches TO drift_app;
GRANT SELECT, DELETE ON drift.watches TO drift_system;

CREATE TABLE drift.salts (
    tenant_id uuid PRIMARY KEY,
    salt text NOT NULL
);

ALTER TABLE drift.salts ENABLE ROW LEVEL SECURITY;
ALTER TABLE drift.salts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON drift.salts
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

GRANT SELECT, INSERT ON drift.salts TO drift_app;

-- migrate:down
DROP TABLE drift.salts;
DROP TABLE drift.watches;

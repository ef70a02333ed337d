-- get_evaluation --
-- What a run found, without the findings themselves.
SELECT * FROM drift.evaluations WHERE tenant_id = $1 AND run_id = $2;

-- insert_evaluation --
-- Keeps what a run found; answers nothing when the run is known.
INSERT INTO drift.evaluations (tenant_id, run_id, dataset_id, finding_ids, partitions_judged, complete, create_time)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
RETURNING run_id;

-- get_watch --
-- What is known of a dataset.
SELECT * FROM drift.watches WHERE tenant_id = $1 AND dataset_id = $2;

-- insert_watch --
-- Keeps what is known after the first evaluation; answers nothing when another one was first.
INSERT INTO drift.watches (tenant_id, dataset_id, layout, state, before, period, baseline_version, memos, exact, lag, decisions)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING
RETURNING revision;

-- update_watch --
-- Replaces what is known; answers nothing when it is not at revision $12 any more.
UPDATE drift.watches SET
    layout = $3, state = $4, before = $5, period = $6, baseline_version = $7, memos = $8, exact = $9, lag = $10,
    decisions = $11,
    revision = revision + 1, update_time = now()
WHERE tenant_id = $1 AND dataset_id = $2 AND revision = $12
RETURNING revision;

-- insert_salt --
-- Gives the tenant a salt, unless it has one.
INSERT INTO drift.salts (tenant_id, salt) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- get_salt --
-- The tenant's salt.
SELECT salt FROM drift.salts WHERE tenant_id = $1;

-- insert_audit_event --
-- Writes an audit event down with the change that it tells of.
INSERT INTO drift.outbox (id, tenant_id, payload) VALUES ($1, $2, $3);

-- take_audit_events --
-- Takes audit events for relaying.
SELECT * FROM drift.take_outbox($1);

-- delete_audit_events --
-- Forgets audit events that were delivered.
SELECT drift.delete_outbox($1);

-- prune --
-- Forgets a batch of what is old.
SELECT drift.prune($1, $2, $3);

-- insert_baseline --
-- Keeps a version.
INSERT INTO drift.baselines (
    tenant_id, dataset_id, version, origin, parent_version, window_start, window_end, profile_ids, columns, mode, author, reason,
    create_time, expire_time, figures
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

-- close_baseline --
-- Keeps what was known under a version when the next one takes its place, and what it was made of by then.
UPDATE drift.baselines SET closing_state = $4, closing_period = $5 WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3;

-- get_baseline --
-- One version, without what was known under it; 0 stands for the active one.
SELECT b.version, b.origin, b.parent_version, b.window_start, b.window_end, b.profile_ids, b.columns, b.mode, b.author, b.reason,
       b.create_time, b.expire_time, b.figures, b.dataset_id, w.baseline_version = b.version AS active
FROM drift.baselines b JOIN drift.watches w ON w.tenant_id = b.tenant_id AND w.dataset_id = b.dataset_id
WHERE b.tenant_id = $1 AND b.dataset_id = $2 AND b.version = coalesce(nullif($3::integer, 0), w.baseline_version);

-- get_closing_state --
-- What was known when a version stopped being active.
SELECT closing_state, closing_period FROM drift.baselines WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3;

-- list_acceptances --
-- What was accepted from now on and still holds, oldest first, with the newest period by then.
SELECT b.columns, b.mode, p.closing_period FROM drift.baselines b
JOIN drift.baselines p ON p.tenant_id = b.tenant_id AND p.dataset_id = b.dataset_id AND p.version = b.version - 1
WHERE b.tenant_id = $1 AND b.dataset_id = $2 AND b.origin = 'ACCEPTED' AND p.closing_period IS NOT NULL
ORDER BY b.version LIMIT 1000;

-- list_baselines --
-- Versions newest first, those below version $3.
SELECT b.version, b.origin, b.parent_version, b.window_start, b.window_end, '{}'::uuid[] AS profile_ids, b.columns, b.mode, b.author,
       b.reason, b.create_time, b.expire_time, '{}' AS figures, b.dataset_id, w.baseline_version = b.version AS active
FROM drift.baselines b JOIN drift.watches w ON w.tenant_id = b.tenant_id AND w.dataset_id = b.dataset_id
WHERE b.tenant_id = $1 AND b.dataset_id = $2 AND ($3::integer IS NULL OR b.version < $3)
ORDER BY b.version DESC LIMIT $4;

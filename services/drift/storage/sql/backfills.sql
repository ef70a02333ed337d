-- insert_backfill --
-- Queues a backfill; refused by an index while the dataset has one that has not ended.
INSERT INTO drift.backfills (id, tenant_id, dataset_id, source, max_partitions, requested_by) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING *;

-- last_backfill --
-- The newest backfill of a dataset.
SELECT * FROM drift.backfills WHERE tenant_id = $1 AND dataset_id = $2 ORDER BY create_time DESC, id DESC LIMIT 1;

-- cancel_backfill --
-- Ends a queued backfill, asks the worker of a running one to stop; answers nothing when there is none.
UPDATE drift.backfills SET
    state = CASE WHEN state = 'QUEUED' THEN 'CANCELLED' ELSE state END,
    end_time = CASE WHEN state = 'QUEUED' THEN clock_timestamp() END,
    cancel_requested = (state = 'RUNNING')
WHERE tenant_id = $1 AND dataset_id = $2 AND state IN ('QUEUED', 'RUNNING')
RETURNING *;

-- claim_backfill --
-- The next backfill that waits for a worker.
SELECT * FROM drift.claim_backfill($1, $2);

-- renew_backfill --
-- Holds on to a backfill; answers nothing when the lease was lost.
UPDATE drift.backfills SET lease_expires_at = clock_timestamp() + make_interval(secs => $4)
WHERE tenant_id = $1 AND id = $2 AND lease_token = $3 AND state = 'RUNNING'
RETURNING cancel_requested;

-- note_progress --
-- Holds on to a backfill and says how far it is; answers nothing when the lease was lost.
UPDATE drift.backfills SET
    lease_expires_at = clock_timestamp() + make_interval(secs => $4), from_time = $5, to_time = $6, partitions_total = $7,
    partitions_done = $8
WHERE tenant_id = $1 AND id = $2 AND lease_token = $3 AND state = 'RUNNING'
RETURNING cancel_requested;

-- end_backfill --
-- Ends a backfill in state $4, or puts it back when that is QUEUED; changes nothing when the lease was lost.
UPDATE drift.backfills SET
    state = CASE WHEN cancel_requested THEN 'CANCELLED' ELSE $4 END,
    error_reason = CASE WHEN cancel_requested THEN '' ELSE $5 END,
    error_message = CASE WHEN cancel_requested THEN '' ELSE $6 END,
    end_time = CASE WHEN cancel_requested OR $4 <> 'QUEUED' THEN clock_timestamp() END,
    lease_token = NULL, lease_expires_at = NULL, cancel_requested = false
WHERE tenant_id = $1 AND id = $2 AND lease_token = $3 AND state = 'RUNNING';

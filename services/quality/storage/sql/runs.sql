-- set_cap --
-- Makes sure that the tenant has a quota row; what is there stays as it is.
INSERT INTO quality.tenant_quotas (tenant_id, cap) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- change_cap --
-- Follows the registry when the tenant's cap changed; locks nothing when it did not.
UPDATE quality.tenant_quotas SET cap = $2 WHERE tenant_id = $1 AND cap <> $2;

-- enqueue_run --
-- Queues a run and wakes the workers; answers nothing when the request id is known.
WITH queued AS (
    INSERT INTO quality.runs (id, tenant_id, dataset_id, dataset_name, kinds, trigger, triggered_by, variables, request_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (tenant_id, dataset_id, request_id) WHERE request_id IS NOT NULL DO NOTHING
    RETURNING *
)
SELECT queued.*, pg_notify('quality_runs', 'QUEUED ' || queued.id) FROM queued;

-- find_run_by_request_id --
-- The run that an earlier call with this request id made.
SELECT * FROM quality.runs WHERE tenant_id = $1 AND dataset_id = $2 AND request_id = $3;

-- get_run --
-- One run without its results.
SELECT * FROM quality.runs WHERE tenant_id = $1 AND id = $2;

-- list_check_results --
-- The results of one run in the order of the YAML, without the rows that were kept.
SELECT position, check_id, name, definition, table_name, column_name, verdict, measured_value, threshold, failed_rows_count,
       message, query, line, attributes, samples IS NOT NULL AS has_samples
FROM quality.check_results WHERE tenant_id = $1 AND run_id = $2 ORDER BY position;

-- list_failed_rows --
-- The rows that were kept of the checks of one run.
SELECT check_id, name, samples FROM quality.check_results
WHERE tenant_id = $1 AND run_id = $2 AND samples IS NOT NULL ORDER BY position;

-- list_runs --
-- Runs newest first, after the position ($8, $9); NULL filters match any.
SELECT * FROM quality.runs
WHERE tenant_id = $1
  AND ($2::uuid IS NULL OR dataset_id = $2)
  AND ($3::text IS NULL OR state = $3)
  AND ($4::text IS NULL OR verdict = $4)
  AND ($5::text IS NULL OR trigger = $5)
  AND ($6::timestamptz IS NULL OR create_time >= $6)
  AND ($7::timestamptz IS NULL OR create_time < $7)
  AND ($8::timestamptz IS NULL OR (create_time, id) < ($8, $9::uuid))
ORDER BY create_time DESC, id DESC LIMIT $10;

-- list_active_run_ids --
-- Runs of a dataset that have not ended, oldest first.
SELECT id FROM quality.runs WHERE tenant_id = $1 AND dataset_id = $2 AND state IN ('QUEUED', 'RUNNING')
ORDER BY create_time, id LIMIT $3;

-- cancel_run --
-- Ends a queued run, asks the worker of a running one to stop; answers nothing when the run has ended or is not there.
WITH cancelled AS (
    UPDATE quality.runs SET
        state = CASE WHEN state = 'QUEUED' THEN 'CANCELLED' ELSE state END,
        end_time = CASE WHEN state = 'QUEUED' THEN clock_timestamp() END,
        cancel_requested = (state = 'RUNNING'), error_reason = '', error_message = ''
    WHERE tenant_id = $1 AND id = $2 AND state IN ('QUEUED', 'RUNNING')
    RETURNING *
)
SELECT cancelled.*,
       pg_notify('quality_runs', CASE WHEN state = 'RUNNING' THEN 'CANCEL' ELSE 'CANCELLED' END || ' ' || id)
FROM cancelled;

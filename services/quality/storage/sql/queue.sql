-- claim_run --
-- The next run of the tenant whose turn it is.
SELECT * FROM quality.claim_run($1, $2, $3);

-- renew_lease --
-- Holds on to a run; answers nothing when the lease was lost.
UPDATE quality.runs SET lease_expires_at = clock_timestamp() + make_interval(secs => $4)
WHERE tenant_id = $1 AND id = $2 AND lease_token = $3 AND state = 'RUNNING'
RETURNING cancel_requested;

-- settle_run --
-- Ends a run, or puts it back ($4 is the state, $7 the wait in seconds, $8 what counts against it). Names the fencing
-- token: answers nothing, and changes nothing, when the lease was lost. A run that was asked to cancel ends cancelled.
WITH settled AS (
    UPDATE quality.runs SET
        state = CASE WHEN cancel_requested THEN 'CANCELLED' ELSE $4 END,
        verdict = CASE WHEN cancel_requested THEN NULL ELSE $5 END,
        error_reason = CASE WHEN cancel_requested THEN '' ELSE $6 END,
        error_message = CASE WHEN cancel_requested THEN '' ELSE $9 END,
        next_attempt_time = clock_timestamp() + make_interval(secs => $7),
        failures = failures + $8,
        end_time = CASE WHEN cancel_requested OR $4 <> 'QUEUED' THEN clock_timestamp() END,
        lease_token = NULL, lease_expires_at = NULL, worker = NULL, cancel_requested = false
    WHERE tenant_id = $1 AND id = $2 AND lease_token = $3 AND state = 'RUNNING'
    RETURNING id, state
)
SELECT state, pg_notify('quality_runs', state || ' ' || id) FROM settled;

-- free_place --
-- Gives the place of an ended attempt back to the tenant. Comes last in its transaction: claims wait for this row.
UPDATE quality.tenant_quotas SET running = running - 1 WHERE tenant_id = $1;

-- insert_results --
-- Stores counts and drift findings of a run, and its results in the order of the YAML.
WITH counted AS (
    UPDATE quality.runs SET
        checks_total = $3, checks_passed = $4, checks_warned = $5, checks_failed = $6, checks_errored = $7,
        checks_not_evaluated = $8, drifts = $9
    WHERE tenant_id = $1 AND id = $2
)
INSERT INTO quality.check_results (
    tenant_id, run_id, position, check_id, name, definition, table_name, column_name, verdict, measured_value, threshold,
    failed_rows_count, message, query, line, attributes, samples
)
SELECT $1, $2, c.position, c.check_id, c.name, c.definition, c.table_name, c.column_name, c.verdict, c.measured_value,
       c.threshold, c.failed_rows_count, c.message, c.query, c.line, c.attributes, c.samples
FROM jsonb_to_recordset($10) AS c (
    position integer, check_id text, name text, definition text, table_name text, column_name text, verdict text,
    measured_value double precision, threshold text, failed_rows_count bigint, message text, query text, line integer,
    attributes jsonb, samples jsonb
);

-- insert_measurements --
-- Keeps metric values for later checks of the dataset.
INSERT INTO quality.measurements (tenant_id, dataset_id, metric_identity, data_time, value, run_id)
SELECT $1, $2, m.metric_identity, m.data_time, m.value, $3
FROM jsonb_to_recordset($4) AS m (metric_identity text, data_time timestamptz, value jsonb);

-- expire_lease --
-- Takes one run from a worker that stopped renewing.
SELECT * FROM quality.expire_lease($1, $2, $3, $4);

-- queue_stats --
-- Depth and age of the queue by tenant.
SELECT * FROM quality.queue_stats();

-- prune --
-- Forgets a batch of old measurements and runs.
SELECT * FROM quality.prune($1, $2, $3);

-- The few things that happen across tenants. Each is a function that runs as drift_system (which passes row-level security)
-- and does exactly one thing; everything else happens in the transaction of one tenant.
-- migrate:up

-- Claims the oldest backfill that waits for a worker, or whose worker stopped renewing. Tenants take turns: one that has a
-- backfill running waits for those that have none. After three attempts a backfill is given up.
CREATE FUNCTION drift.claim_backfill(p_token uuid, p_lease_seconds double precision)
RETURNS TABLE (id uuid, tenant_id uuid, dataset_id uuid, source text, max_partitions integer, requested_by text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE drift.backfills b SET
        state = 'ERRORED', lease_token = NULL, lease_expires_at = NULL, end_time = clock_timestamp(),
        error_reason = 'SCAN_WORKER_DIED', error_message = 'The workers that took it stopped answering.'
    WHERE b.state = 'RUNNING' AND b.lease_expires_at < clock_timestamp() AND b.attempts >= 3;
    RETURN QUERY
        UPDATE drift.backfills b SET
            state = 'RUNNING', attempts = b.attempts + 1, start_time = coalesce(b.start_time, clock_timestamp()),
            lease_token = p_token, lease_expires_at = clock_timestamp() + make_interval(secs => p_lease_seconds)
        WHERE b.id = (
            SELECT w.id FROM drift.backfills w
            WHERE w.state = 'QUEUED' OR (w.state = 'RUNNING' AND w.lease_expires_at < clock_timestamp())
            ORDER BY EXISTS (SELECT FROM drift.backfills r WHERE r.tenant_id = w.tenant_id AND r.id <> w.id
                             AND r.state = 'RUNNING' AND r.lease_expires_at >= clock_timestamp()), w.create_time, w.id
            LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING b.id, b.tenant_id, b.dataset_id, b.source, b.max_partitions, b.requested_by;
END $$;

-- Takes audit events for relaying. Whoever takes one has until its next attempt to deliver it.
CREATE FUNCTION drift.take_outbox(p_limit integer)
RETURNS TABLE (id uuid, payload jsonb)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE drift.outbox o SET
        attempts = o.attempts + 1,
        next_attempt_time = now() + make_interval(secs => least(300, 10 * power(2, least(o.attempts, 5))))
    WHERE o.id IN (SELECT d.id FROM drift.outbox d WHERE d.next_attempt_time <= now()
                   ORDER BY d.next_attempt_time, d.id LIMIT p_limit FOR UPDATE SKIP LOCKED)
    RETURNING o.id, o.payload
$$;

-- Forgets audit events that were delivered.
CREATE FUNCTION drift.delete_outbox(p_ids uuid[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ DELETE FROM drift.outbox WHERE id = ANY (p_ids) $$;

-- Deletes old profiles (but the newest 100 of a dataset stay, however old) and old findings, evaluations and backfills, a
-- batch at a time; answers how many rows went. Datasets that nobody evaluates any more are forgotten with their last finding.
CREATE FUNCTION drift.prune(p_profiles_before timestamptz, p_findings_before timestamptz, p_limit integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH gone AS (
        SELECT w.tenant_id, w.dataset_id FROM drift.watches w
        WHERE w.update_time < p_findings_before LIMIT p_limit
    ), old_watches AS (
        DELETE FROM drift.watches w USING gone g WHERE w.tenant_id = g.tenant_id AND w.dataset_id = g.dataset_id RETURNING 1
    ), old_baselines AS (
        DELETE FROM drift.baselines b USING gone g WHERE b.tenant_id = g.tenant_id AND b.dataset_id = g.dataset_id RETURNING 1
    ), old_profiles AS (
        DELETE FROM drift.profiles p WHERE p.ctid = ANY (ARRAY(
            SELECT o.ctid FROM drift.profiles o
            WHERE o.create_time < p_profiles_before
              AND (EXISTS (SELECT FROM drift.profiles n
                           WHERE n.tenant_id = o.tenant_id AND n.dataset_id = o.dataset_id AND n.partition_time > o.partition_time
                           OFFSET 99 LIMIT 1)
                   OR EXISTS (SELECT FROM gone g WHERE g.tenant_id = o.tenant_id AND g.dataset_id = o.dataset_id))
            ORDER BY o.create_time LIMIT p_limit))
        RETURNING 1
    ), old_findings AS (
        DELETE FROM drift.findings f WHERE f.id = ANY (ARRAY(
            SELECT o.id FROM drift.findings o WHERE o.create_time < p_findings_before ORDER BY o.create_time LIMIT p_limit))
        RETURNING 1
    ), old_evaluations AS (
        DELETE FROM drift.evaluations e WHERE e.ctid = ANY (ARRAY(
            SELECT o.ctid FROM drift.evaluations o WHERE o.create_time < p_findings_before ORDER BY o.create_time LIMIT p_limit))
        RETURNING 1
    ), old_backfills AS (
        DELETE FROM drift.backfills b WHERE b.id = ANY (ARRAY(
            SELECT o.id FROM drift.backfills o WHERE o.end_time < p_findings_before ORDER BY o.end_time LIMIT p_limit))
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM old_watches) + (SELECT count(*) FROM old_baselines) + (SELECT count(*) FROM old_profiles)
        + (SELECT count(*) FROM old_findings) + (SELECT count(*) FROM old_evaluations) + (SELECT count(*) FROM old_backfills)
$$;

DO $$
DECLARE
    v_function regprocedure;
BEGIN
    FOR v_function IN SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'drift'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO drift_system', v_function);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', v_function);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO drift_app', v_function);
    END LOOP;
END $$;

-- migrate:down
DROP FUNCTION drift.claim_backfill, drift.take_outbox, drift.delete_outbox, drift.prune;

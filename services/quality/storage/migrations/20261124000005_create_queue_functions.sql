-- The few things that workers and schedulers do across tenants. Each is a function that runs as quality_system (which
-- passes row-level security) and does exactly one thing; everything else happens in the transaction of one tenant.
-- migrate:up

-- Claims the next due run of the tenant that waited longest for its turn and has a place left.
-- Answers no row when nothing can be claimed, and a row without id when another worker was just claiming: try again.
CREATE FUNCTION quality.claim_run(p_token uuid, p_worker text, p_lease_seconds double precision)
RETURNS TABLE (
    id uuid, tenant_id uuid, dataset_id uuid, dataset_name text, kinds text[], trigger text, variables jsonb,
    attempts integer, failures integer, create_time timestamptz, queued_seconds double precision, cap integer
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_tenant uuid;
    v_cap integer;
    v_run uuid;
    v_contended boolean := false;
BEGIN
    FOR v_tenant IN
        -- Hops from tenant to tenant in the index of queued runs: a backlog of one tenant costs one step.
        WITH RECURSIVE waiting (tenant) AS (
            (SELECT r.tenant_id FROM quality.runs r WHERE r.state = 'QUEUED' ORDER BY r.tenant_id LIMIT 1)
            UNION ALL
            SELECT (SELECT r.tenant_id FROM quality.runs r
                    WHERE r.state = 'QUEUED' AND r.tenant_id > w.tenant ORDER BY r.tenant_id LIMIT 1)
            FROM waiting w WHERE w.tenant IS NOT NULL
        )
        SELECT q.tenant_id FROM waiting w JOIN quality.tenant_quotas q ON q.tenant_id = w.tenant
        WHERE q.running < q.cap
          AND EXISTS (SELECT FROM quality.runs r
                      WHERE r.tenant_id = q.tenant_id AND r.state = 'QUEUED' AND r.next_attempt_time <= clock_timestamp())
        ORDER BY q.last_claim_time NULLS FIRST
    LOOP
        -- Locks the tenant's row and reads the count anew. Nobody waits for a lock here, so that nobody deadlocks.
        SELECT q.cap INTO v_cap FROM quality.tenant_quotas q
        WHERE q.tenant_id = v_tenant AND q.running < q.cap FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            v_contended := true;
            CONTINUE;
        END IF;
        SELECT r.id INTO v_run FROM quality.runs r
        WHERE r.tenant_id = v_tenant AND r.state = 'QUEUED' AND r.next_attempt_time <= clock_timestamp()
        ORDER BY r.next_attempt_time, r.id LIMIT 1 FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        UPDATE quality.tenant_quotas q SET running = q.running + 1, last_claim_time = clock_timestamp()
        WHERE q.tenant_id = v_tenant;
        PERFORM pg_notify('quality_runs', 'RUNNING ' || v_run);
        RETURN QUERY
            UPDATE quality.runs r SET
                state = 'RUNNING', attempts = r.attempts + 1, start_time = coalesce(r.start_time, clock_timestamp()),
                lease_token = p_token, lease_expires_at = clock_timestamp() + make_interval(secs => p_lease_seconds),
                worker = p_worker
            WHERE r.id = v_run
            RETURNING r.id, r.tenant_id, r.dataset_id, r.dataset_name, r.kinds, r.trigger, r.variables, r.attempts,
                r.failures, r.create_time,
                extract(epoch FROM clock_timestamp() - r.next_attempt_time)::double precision, v_cap;
        RETURN;
    END LOOP;
    IF v_contended THEN
        RETURN QUERY SELECT NULL::uuid, NULL::uuid, NULL::uuid, NULL::text, NULL::text[], NULL::text, NULL::jsonb,
            NULL::integer, NULL::integer, NULL::timestamptz, NULL::double precision, NULL::integer;
    END IF;
END $$;

-- Takes one run from a worker whose lease ran out: back to the queue, or to its end when its attempts are used up.
-- One run a call, so that at most one quota row is locked at a time.
CREATE FUNCTION quality.expire_lease(p_max_failures integer, p_outbox_id uuid, p_reason text, p_message text)
RETURNS TABLE (id uuid, tenant_id uuid, state text, worker text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_run quality.runs;
    v_state text;
BEGIN
    SELECT * INTO v_run FROM quality.runs r
    WHERE r.state = 'RUNNING' AND r.lease_expires_at < clock_timestamp()
    ORDER BY r.lease_expires_at LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_state := CASE WHEN v_run.cancel_requested THEN 'CANCELLED'
                    WHEN v_run.failures + 1 >= p_max_failures THEN 'ERRORED'
                    ELSE 'QUEUED' END;
    UPDATE quality.runs r SET
        state = v_state, failures = r.failures + 1, lease_token = NULL, lease_expires_at = NULL, worker = NULL,
        cancel_requested = false, next_attempt_time = clock_timestamp(),
        verdict = CASE WHEN v_state = 'ERRORED' THEN 'ERROR' END,
        error_reason = CASE WHEN v_state = 'CANCELLED' THEN '' ELSE p_reason END,
        error_message = CASE WHEN v_state = 'CANCELLED' THEN '' ELSE p_message END,
        end_time = CASE WHEN v_state <> 'QUEUED' THEN clock_timestamp() END
    WHERE r.id = v_run.id;
    IF v_state <> 'QUEUED' THEN
        INSERT INTO quality.outbox (id, tenant_id, kind, payload)
        VALUES (p_outbox_id, v_run.tenant_id, 'RUN_FINISHED',
                jsonb_build_object('run_id', v_run.id, 'dataset_id', v_run.dataset_id, 'state', v_state));
    END IF;
    UPDATE quality.tenant_quotas q SET running = q.running - 1 WHERE q.tenant_id = v_run.tenant_id;
    PERFORM pg_notify('quality_runs', v_state || ' ' || v_run.id);
    RETURN QUERY SELECT v_run.id, v_run.tenant_id, v_state, v_run.worker;
END $$;

-- Locks schedules whose time has come until the end of the transaction; those that another scheduler holds are left out.
CREATE FUNCTION quality.lock_due_schedules(p_limit integer) RETURNS SETOF quality.schedules
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT * FROM quality.schedules s WHERE NOT s.paused AND s.next_run_time <= clock_timestamp()
    ORDER BY s.next_run_time LIMIT p_limit FOR UPDATE SKIP LOCKED
$$;

-- Queues the run of each locked schedule and sets when it is due again; answers the runs that were made. A schedule
-- whose last run still waits for its first start makes no second one: a stopped platform leaves one run, not hundreds.
CREATE FUNCTION quality.fire_schedules(p_fired jsonb, p_default_cap integer)
RETURNS TABLE (id uuid, tenant_id uuid, dataset_id uuid)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH fired AS (
        SELECT * FROM jsonb_to_recordset(p_fired)
            AS f (tenant_id uuid, dataset_id uuid, run_id uuid, kinds text[], due_time timestamptz, next_run_time timestamptz)
    ), moved AS (
        UPDATE quality.schedules s SET
            last_run_time = f.due_time, next_run_time = f.next_run_time, paused = (f.next_run_time IS NULL)
        FROM fired f WHERE s.tenant_id = f.tenant_id AND s.dataset_id = f.dataset_id
        RETURNING s.tenant_id, s.dataset_id, s.dataset_name, f.kinds, f.run_id, f.due_time
    ), quotas AS (
        INSERT INTO quality.tenant_quotas (tenant_id, cap) SELECT DISTINCT m.tenant_id, p_default_cap FROM moved m
        ON CONFLICT DO NOTHING
    ), queued AS (
        INSERT INTO quality.runs (id, tenant_id, dataset_id, dataset_name, kinds, trigger, triggered_by, dedupe_key)
        SELECT m.run_id, m.tenant_id, m.dataset_id, m.dataset_name, m.kinds, 'SCHEDULE', '',
               m.dataset_id || '@' || extract(epoch FROM m.due_time)::bigint
        FROM moved m
        WHERE NOT EXISTS (SELECT FROM quality.runs r
                          WHERE r.tenant_id = m.tenant_id AND r.dataset_id = m.dataset_id AND r.trigger = 'SCHEDULE'
                            AND r.state = 'QUEUED' AND r.attempts = 0)
        ON CONFLICT DO NOTHING
        RETURNING id, tenant_id, dataset_id
    )
    SELECT q.id, q.tenant_id, q.dataset_id FROM queued q, LATERAL (SELECT pg_notify('quality_runs', 'QUEUED ' || q.id)) n
$$;

-- Takes messages of one kind for relaying. Whoever takes one has until its next attempt to deliver it.
CREATE FUNCTION quality.take_outbox(p_kind text, p_limit integer)
RETURNS TABLE (id uuid, tenant_id uuid, payload jsonb, create_time timestamptz, attempts integer)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE quality.outbox o SET
        attempts = o.attempts + 1,
        next_attempt_time = now() + make_interval(secs => least(300, 10 * power(2, least(o.attempts, 5))))
    WHERE o.id IN (SELECT d.id FROM quality.outbox d WHERE d.kind = p_kind AND d.next_attempt_time <= now()
                   ORDER BY d.next_attempt_time, d.id LIMIT p_limit FOR UPDATE SKIP LOCKED)
    RETURNING o.id, o.tenant_id, o.payload, o.create_time, o.attempts
$$;

-- Forgets messages that were delivered.
CREATE FUNCTION quality.delete_outbox(p_ids uuid[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ DELETE FROM quality.outbox WHERE id = ANY (p_ids) $$;

-- Depth and age of the queue by tenant, for metrics.
CREATE FUNCTION quality.queue_stats()
RETURNS TABLE (tenant_id uuid, queued bigint, running bigint, oldest_seconds double precision)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.tenant_id, count(*) FILTER (WHERE r.state = 'QUEUED'), count(*) FILTER (WHERE r.state = 'RUNNING'),
           coalesce(extract(epoch FROM clock_timestamp() - min(r.create_time) FILTER (WHERE r.state = 'QUEUED')), 0)
               ::double precision
    FROM quality.runs r WHERE r.state IN ('QUEUED', 'RUNNING') GROUP BY r.tenant_id
$$;

-- Deletes old measurements (but the newest 100 of a metric stay, however old) and old ended runs, a batch at a time;
-- answers how many rows went.
CREATE FUNCTION quality.prune(p_measurements_before timestamptz, p_runs_before timestamptz, p_limit integer)
RETURNS TABLE (measurements bigint, runs bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH old_measurements AS (
        DELETE FROM quality.measurements m WHERE m.ctid = ANY (ARRAY(
            SELECT o.ctid FROM quality.measurements o
            WHERE o.data_time < p_measurements_before
              AND EXISTS (SELECT FROM quality.measurements n
                          WHERE n.tenant_id = o.tenant_id AND n.dataset_id = o.dataset_id
                            AND md5(n.metric_identity) = md5(o.metric_identity) AND n.data_time > o.data_time
                          OFFSET 99 LIMIT 1)
            ORDER BY o.data_time LIMIT p_limit))
        RETURNING 1
    ), old_runs AS (
        DELETE FROM quality.runs r WHERE r.id = ANY (ARRAY(
            SELECT o.id FROM quality.runs o WHERE o.end_time < p_runs_before ORDER BY o.end_time LIMIT p_limit))
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM old_measurements), (SELECT count(*) FROM old_runs)
$$;

DO $$
DECLARE
    v_function regprocedure;
BEGIN
    FOR v_function IN SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'quality'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO quality_system', v_function);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', v_function);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO quality_app', v_function);
    END LOOP;
END $$;

-- migrate:down
DROP FUNCTION quality.claim_run, quality.expire_lease, quality.lock_due_schedules, quality.fire_schedules,
    quality.take_outbox, quality.delete_outbox, quality.queue_stats, quality.prune;

-- Roles and schemas of Chalk and Duster. Idempotent: run it at every start, as a superuser, connected to the database itself.
--
-- One schema and three roles for each service that keeps data:
--   <service>_owner   logs in to run migrations; owns the schema and all in it. No service process uses it.
--   <service>_app     logs in to serve; owns nothing, so row-level security always applies to it. Migrations grant it what it needs.
--   <service>_system  cannot log in; bypasses row-level security. It owns the few SECURITY DEFINER functions that look across
--                     tenants. The owner is its member, so a migration can say ALTER FUNCTION … OWNER TO <service>_system.
--
-- Passwords come as settings, never as text of this file: set bootstrap.<role>_password before, in the same session, by
--   SELECT set_config('bootstrap.registry_app_password', $1, false)        or, with psql,
--   PGOPTIONS="-c bootstrap.registry_app_password=…" psql -f bootstrap.sql
-- A login role without one keeps the password it has; a new one cannot log in until it has one.

DO $bootstrap$
DECLARE
    service  text;
    role     text;
    password text;
BEGIN
    -- Two starters at once: the second waits instead of failing on a role that appeared meanwhile.
    PERFORM pg_advisory_xact_lock(hashtext('chalkandduster.bootstrap'));

    FOREACH service IN ARRAY ARRAY['registry', 'quality', 'drift', 'notifier'] LOOP
        FOREACH role IN ARRAY ARRAY[service || '_owner', service || '_app', service || '_system'] LOOP
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
                EXECUTE format('CREATE ROLE %I', role);
            END IF;
            EXECUTE format(
                'ALTER ROLE %I %s %s NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION',
                role,
                CASE WHEN role LIKE '%\_system' THEN 'NOLOGIN' ELSE 'LOGIN' END,
                CASE WHEN role LIKE '%\_system' THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END
            );
            -- pg_temp last: a temporary table must not stand in for one of ours inside a SECURITY DEFINER function.
            EXECUTE format('ALTER ROLE %I SET search_path = %I, pg_temp', role, service);
            password := current_setting('bootstrap.' || role || '_password', true);
            IF nullif(password, '') IS NOT NULL THEN
                EXECUTE format('ALTER ROLE %I PASSWORD %L', role, password);
            END IF;
        END LOOP;

        EXECUTE format('GRANT %I TO %I', service || '_system', service || '_owner');
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', service, service || '_owner');
        EXECUTE format('ALTER SCHEMA %I OWNER TO %I', service, service || '_owner');
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', service, service || '_app');
        -- CREATE is what Postgres asks of a role that is made the owner of a function here.
        EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', service, service || '_system');
        EXECUTE format(
            'GRANT CONNECT ON DATABASE %I TO %I, %I', current_database(), service || '_owner', service || '_app'
        );
    END LOOP;

    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
END
$bootstrap$;

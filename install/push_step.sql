--
-- crisp_push: steps, one transaction each
--

-- Rows that a step is to send, and as what.
CREATE TYPE crisp_push_batch AS (
    operation text,             -- insert, update, delete
    keys text[],                -- by which they are known here
    spellings text[],           -- their keys as the source has them
    names text[],               -- what Crisp calls them, where that is known besides
    wanted jsonb[],
    pushed jsonb[],
    is_whole boolean[]          -- whether Crisp has the row isn't known
);

-- The next rows that are to be sent, in the order of their keys, numbers by their size.  Those that have brought a run
-- to its end come last (doubtful), one by one: first what wasn't tried for longest, so that one that always fails, and
-- ends the run, doesn't keep the others waiting.  Once tried, none is doubtful in a run that goes on.
CREATE FUNCTION crisp_push_pick(plan crisp_push_plan, run crisp_push_run_state, most bigint)
RETURNS crisp_push_batch
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    batch @extschema@.crisp_push_batch;
BEGIN
    EXECUTE format($sql$
        SELECT CASE WHEN bool_and(p.is_gone) THEN 'delete'
                    WHEN NOT $4 OR ($5 AND bool_and(p.is_there IS FALSE OR (p.is_there IS NULL AND NOT $6)))
                    THEN 'insert' ELSE 'update' END,
               array_agg(p.key ORDER BY length(p.key), p.key),
               array_agg(coalesce(p.spelling, p.key) ORDER BY length(p.key), p.key),
               array_agg(p.name ORDER BY length(p.key), p.key),
               array_agg(p.wanted ORDER BY length(p.key), p.key), array_agg(p.pushed ORDER BY length(p.key), p.key),
               array_agg(p.is_there IS NOT TRUE ORDER BY length(p.key), p.key)
        FROM (SELECT r.key, r.spelling, r.name, r.wanted, r.pushed, r.is_there, r.is_gone FROM %s r
              WHERE %s ORDER BY %s LIMIT $3) p
        HAVING count(*) > 0
        $sql$, @extschema@.crisp_push_rows_of(run.job_id), CASE run.phase
        WHEN 'doubtful' THEN 'r.phase = ''doubtful'''
        ELSE 'r.phase = $2 AND (length(r.key), r.key) > (coalesce(length($1), -1), coalesce($1, ''''))' END,
        CASE run.phase WHEN 'doubtful' THEN 'r.tried_at, ' ELSE '' END || 'length(r.key), r.key')
    INTO batch USING run.after, run.phase, most, plan.updates, plan.inserts, run.finds_rows;
    RETURN batch;
END
$$;

-- The rows that were announced.
CREATE FUNCTION crisp_push_pick_announced(run crisp_push_run_state)
RETURNS crisp_push_batch
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    batch @extschema@.crisp_push_batch;
BEGIN
    EXECUTE format($sql$
        SELECT $2, array_agg(r.key ORDER BY length(r.key), r.key),
               array_agg(coalesce(r.spelling, r.key) ORDER BY length(r.key), r.key),
               array_agg(r.name ORDER BY length(r.key), r.key), array_agg(r.wanted ORDER BY length(r.key), r.key),
               array_agg(r.pushed ORDER BY length(r.key), r.key),
               array_agg(CASE WHEN $2 = 'insert' THEN r.is_there IS NULL ELSE r.is_there IS NOT TRUE END
                         ORDER BY length(r.key), r.key)
        FROM %s r WHERE r.key = ANY ($1) AND r.state IN ('sending', 'changing')
        $sql$, @extschema@.crisp_push_rows_of(run.job_id)) INTO batch USING run.keys, run.operation;
    RETURN batch;
END
$$;

-- How many rows a step may pick: as many as may be under way together.  Inserts go one by one.  Of rows that were never
-- pushed, one shows whether Crisp has them already, and as long as it does, twice as many are tried with each step.
CREATE FUNCTION crisp_push_most(plan crisp_push_plan, run crisp_push_run_state)
RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT least(@extschema@.crisp_push_requests_left(run), CASE
    WHEN run.phase IN ('inserts', 'doubtful') OR NOT plan.updates THEN 1
    WHEN run.phase = 'unknown' AND plan.inserts
    THEN CASE WHEN run.finds_rows THEN least(plan.prefetch, run.found + 1) ELSE 1 END
    ELSE plan.prefetch END)
$$;

-- What steps have done.
CREATE TYPE crisp_push_counts AS (
    inserted bigint,
    updated bigint,
    deleted bigint,
    refused bigint,
    uncertain bigint,
    empty bigint,               -- there was nothing to send
    absent bigint,
    failed bigint,
    exhausted bigint,
    waiting bigint,             -- for more requests than are left
    needs integer,              -- most that one of these takes
    code text,                  -- why one has failed
    message text,
    detail text,
    hint text
);

-- Of what is said of some columns.
CREATE FUNCTION crisp_push_only(fields jsonb, names text[])
RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce(jsonb_object_agg(f.key, f.value), '{}') FROM jsonb_each(fields) f WHERE f.key = ANY (names)
$$;

-- What Crisp has of a row of which some columns were written, and others may have been, on top of pushed.
CREATE FUNCTION crisp_push_partly(pushed jsonb, wanted jsonb, written text[], perhaps text[])
RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE WHEN written = '{}' AND perhaps = '{}' THEN pushed
            ELSE (b.before - perhaps)
                 || @extschema@.crisp_push_unsure(@extschema@.crisp_push_only(b.before, perhaps),
                                                  @extschema@.crisp_push_only(wanted, perhaps))
                 || @extschema@.crisp_push_only(wanted, written) END
FROM (SELECT coalesce(pushed, (SELECT jsonb_object_agg(w.name, 'null'::jsonb)
                               FROM jsonb_object_keys(wanted) w (name)))) b (before)
$$;

-- Write down what became of rows that were sent.
CREATE FUNCTION crisp_push_record(
    plan crisp_push_plan, run crisp_push_run_state, batch crisp_push_batch)
RETURNS crisp_push_counts
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN @extschema@.crisp_sync_quietly(NULL::@extschema@.crisp_push_counts, format($sql$
        WITH sent AS MATERIALIZED (
            SELECT ($1)[s.number] AS key, s.outcome, s.name, s.sqlstate, s.message, s.detail, s.hint,
                   s.is_anew, s.written, s.perhaps, s.needs
            FROM @extschema@.crisp_push_send($2, $3, $4, $12, $9, $5, $10, $11) s),
        judged AS (
            SELECT s.*, CASE
                    WHEN s.outcome = 'absent' AND $3 = 'delete' THEN 'done'
                    WHEN s.outcome = 'absent' AND NOT $6 THEN 'refused'
                    -- Crisp says so of a row that it doesn't take, and where a quota is spent.  While it takes others,
                    -- the row is put off; taken last, it's the row.
                    WHEN s.outcome = 'questioned' THEN CASE
                        WHEN $7 THEN 'refused'
                        WHEN EXISTS (SELECT FROM sent o WHERE o.outcome IN ('done', 'found')) THEN 'put off'
                        ELSE 'failed' END
                    WHEN s.outcome = 'unsure' AND $8 THEN 'failed'
                    ELSE s.outcome END AS verdict
            FROM sent s),
        removed AS (
            DELETE FROM %1$s r USING judged j WHERE r.key = j.key AND $3 = 'delete' AND j.verdict = 'done'),
        noted AS (
            UPDATE %1$s r SET
                state = CASE j.verdict WHEN 'done' THEN 'pushed' WHEN 'found' THEN 'pushed' WHEN 'empty' THEN 'pushed'
                                       WHEN 'refused' THEN 'refused' WHEN 'unsure' THEN 'uncertain'
                                       ELSE 'pending' END,
                pushed = CASE WHEN j.verdict IN ('done', 'found', 'empty') THEN r.wanted
                              WHEN j.verdict = 'absent' THEN NULL
                              -- Should Crisp have such a row again, that has nothing of what was pushed.
                              WHEN j.outcome = 'absent' THEN @extschema@.crisp_push_doubt(r.pushed)
                              WHEN $3 = 'delete' AND j.perhaps <> '{}' THEN @extschema@.crisp_push_doubt(r.pushed)
                              WHEN $3 = 'delete' THEN r.pushed
                              WHEN j.outcome = 'unsure' AND $8
                              THEN @extschema@.crisp_push_unsure(r.pushed, r.wanted)
                              ELSE @extschema@.crisp_push_partly(
                                  CASE WHEN j.is_anew THEN @extschema@.crisp_push_doubt(r.pushed) ELSE r.pushed END,
                                  r.wanted, j.written, j.perhaps) END,
                wanted = CASE WHEN j.verdict NOT IN ('done', 'found', 'empty') THEN r.wanted END,
                is_there = CASE WHEN j.verdict IN ('done', 'found', 'there') OR j.written <> '{}' THEN true
                                WHEN j.verdict = 'absent' THEN false
                                WHEN j.outcome = 'unsure' THEN CASE WHEN $8 THEN true END
                                ELSE r.is_there END,
                name = j.name,
                sqlstate = CASE WHEN j.verdict IN ('refused', 'failed', 'unsure', 'put off', 'tired') THEN j.sqlstate
                                WHEN j.verdict IN ('exhausted', 'waits') THEN r.sqlstate END,
                error = CASE WHEN j.verdict IN ('refused', 'failed', 'unsure', 'put off', 'tired')
                             THEN concat_ws(E'\n', j.message, j.detail)
                             WHEN j.verdict IN ('exhausted', 'waits') THEN r.error END,
                tried_at = CASE WHEN j.verdict IN ('exhausted', 'waits') THEN r.tried_at ELSE clock_timestamp() END,
                pushed_at = CASE WHEN j.verdict IN ('done', 'found') OR j.outcome = 'unsure'
                                      OR j.written || j.perhaps <> '{}' THEN clock_timestamp()
                                 WHEN j.verdict <> 'absent' THEN r.pushed_at END
            FROM judged j
            WHERE r.key = j.key AND NOT ($3 = 'delete' AND j.verdict = 'done'))
        SELECT ROW(c.*, f.*)::@extschema@.crisp_push_counts
        FROM (SELECT count(*) FILTER (WHERE j.verdict = 'done' AND $3 = 'insert'),
                     count(*) FILTER (WHERE j.verdict = 'found' OR (j.verdict = 'done' AND $3 = 'update')),
                     count(*) FILTER (WHERE j.verdict = 'done' AND $3 = 'delete'),
                     count(*) FILTER (WHERE j.verdict = 'refused'),
                     count(*) FILTER (WHERE j.verdict = 'unsure'),
                     count(*) FILTER (WHERE j.verdict = 'empty'),
                     count(*) FILTER (WHERE j.verdict = 'absent'),
                     count(*) FILTER (WHERE j.verdict IN ('failed', 'unsure')),
                     count(*) FILTER (WHERE j.verdict IN ('exhausted', 'there', 'tired')),
                     count(*) FILTER (WHERE j.verdict = 'waits'), max(j.needs)
              FROM judged j) c
        LEFT JOIN (SELECT j.sqlstate, j.message, j.detail, j.hint
                   FROM judged j WHERE j.verdict IN ('failed', 'unsure') LIMIT 1) f ON true
        $sql$, @extschema@.crisp_push_rows_of(run.job_id)),
        ROW(batch.keys, plan.target, batch.operation, CASE WHEN plan.names_rows THEN plan.key END, batch.wanted,
            plan.inserts AND plan.updates, run.sent > 0 AND run.phase = 'doubtful', plan.names_rows, batch.names,
            batch.pushed, batch.is_whole, batch.spellings));
END
$$;

-- Note what a step has done.
CREATE FUNCTION crisp_push_note(run crisp_push_run_state, counts crisp_push_counts)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
UPDATE @extschema@.crisp_push_my_log l
SET requests = @extschema@.crisp_sync_requests() - run.first_request,
    rows_inserted = l.rows_inserted + counts.inserted, rows_updated = l.rows_updated + counts.updated,
    rows_deleted = l.rows_deleted + counts.deleted, rows_refused = l.rows_refused + counts.refused,
    rows_uncertain = l.rows_uncertain + counts.uncertain, rows_empty = l.rows_empty + counts.empty,
    progress_at = clock_timestamp()
WHERE l.run_id = run.run_id
$$;

-- Raise an error where source, target or job have become others than those that the run is about.
CREATE FUNCTION crisp_push_check_unchanged(plan crisp_push_plan, run crisp_push_run_state)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = plan.target) THEN
        RAISE EXCEPTION 'the target of the push was dropped while it ran'
            USING ERRCODE = 'undefined_table', DETAIL = format('It was "%s".', plan.target_name);
    ELSIF @extschema@.crisp_push_rows_of(run.job_id) IS NULL THEN
        RAISE EXCEPTION 'the push of "%" into "%" was dropped while it ran', plan.source_name,
            plan.target_name USING ERRCODE = 'undefined_object';
    ELSIF (@extschema@.crisp_sync_origin_of(plan.target))[1:2] <> plan.origin[1:2] THEN
        RAISE EXCEPTION 'the target of the push became that of another website while it ran'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The next run pushes all rows again.';
    END IF;
END
$$;

-- Why a step has failed: where something is gone that it needed, in the words of who looks for that.
CREATE FUNCTION crisp_push_why_failed(
    plan crisp_push_plan, run crisp_push_run_state, failure crisp_sync_failure)
RETURNS crisp_sync_failure
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF failure.code = '42P01' THEN
        PERFORM @extschema@.crisp_push_check_unchanged(plan, run);
    END IF;
    RETURN @extschema@.crisp_sync_true_failure('push', plan.source, plan.source_name, plan.target, plan.target_name,
                                               failure);
EXCEPTION WHEN undefined_table OR undefined_object THEN
    GET STACKED DIAGNOSTICS failure.code = RETURNED_SQLSTATE, failure.message = MESSAGE_TEXT,
        failure.detail = PG_EXCEPTION_DETAIL, failure.hint = PG_EXCEPTION_HINT;
    failure.context := NULL;
    RETURN failure;
END
$$;

-- What comes after a phase of which no rows are left.
CREATE FUNCTION crisp_push_next_phase(phase text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE phase WHEN 'changes' THEN 'unknown' WHEN 'unknown' THEN 'inserts' WHEN 'inserts' THEN 'removals'
                  WHEN 'removals' THEN 'doubtful' ELSE 'end' END
$$;

-- Find what the next step is to send, and announce it: should that be broken off, these rows may have been sent, and no
-- others.  run.keys is NULL where nothing is left in the phase.
CREATE FUNCTION crisp_push_announce(plan crisp_push_plan, INOUT run crisp_push_run_state)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    batch CONSTANT @extschema@.crisp_push_batch :=
        @extschema@.crisp_push_pick(plan, run, @extschema@.crisp_push_most(plan, run));
BEGIN
    IF batch.keys IS NULL THEN
        run.phase := @extschema@.crisp_push_next_phase(run.phase);
        run.after := NULL;
        RETURN;
    END IF;
    run.after := batch.keys[cardinality(batch.keys)];
    run.keys := batch.keys;
    run.operation := batch.operation;
    EXECUTE format('UPDATE %s SET state = $2 WHERE key = ANY ($1)', @extschema@.crisp_push_rows_of(run.job_id))
    USING run.keys, CASE run.operation WHEN 'insert' THEN 'sending' ELSE 'changing' END;
END
$$;

-- Take back what was announced, of rows that Crisp can't have been told of: the step that was to send them was broken
-- off before it came to them.
CREATE FUNCTION crisp_push_take_back(run crisp_push_run_state)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF run.keys IS NOT NULL AND @extschema@.crisp_push_rows_of(run.job_id) IS NOT NULL THEN
        EXECUTE format($sql$
            UPDATE %s SET state = 'pending' WHERE key = ANY ($1) AND state IN ('sending', 'changing')
            $sql$, @extschema@.crisp_push_rows_of(run.job_id))
        USING ARRAY(SELECT k.key FROM unnest(run.keys) WITH ORDINALITY k (key, number)
                    WHERE k.number <> ALL (@extschema@.crisp_push_begun(false)));
    END IF;
END
$$;

-- Send rows, and note what became of them.
CREATE FUNCTION crisp_push_send_batch(plan crisp_push_plan, INOUT run crisp_push_run_state, batch crisp_push_batch)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    before CONSTANT bigint := @extschema@.crisp_sync_requests();
    counts CONSTANT @extschema@.crisp_push_counts := @extschema@.crisp_push_record(plan, run, batch);
BEGIN
    run.sent := run.sent + counts.inserted + counts.updated + counts.deleted;
    IF batch.operation = 'insert' THEN
        run.finds_rows := CASE WHEN counts.updated > 0 THEN true WHEN counts.inserted > 0 THEN false
                              ELSE run.finds_rows END;
        run.found := 0;
    ELSIF run.phase = 'unknown' AND counts.absent + counts.updated > 0 THEN
        run.finds_rows := counts.absent <= counts.updated;
        run.found := CASE WHEN run.finds_rows THEN run.found + counts.updated ELSE 0 END;
    END IF;
    PERFORM @extschema@.crisp_push_note(run, counts);
    IF counts.failed > 0 THEN
        run.phase := 'failed';
        run.code := counts.code;
        run.message := counts.message;
        run.detail := counts.detail;
        run.hint := counts.hint;
    ELSIF counts.exhausted > 0 THEN
        run.phase := 'exhausted';
    ELSIF counts.waiting > 0 THEN
        -- Others may take fewer requests; of this phase it's not likely, where no row of the step has got on.
        run.needs := greatest(run.needs, counts.needs);
        IF @extschema@.crisp_sync_requests() = before THEN
            run.phase := @extschema@.crisp_push_next_phase(run.phase);
            run.after := NULL;
        END IF;
    ELSIF run.phase = 'doubtful' AND counts.absent > 0 THEN
        -- The row is new to Crisp after all, and that phase has passed.  It's no longer doubtful, so this has an end.
        run.phase := 'inserts';
        run.after := NULL;
    END IF;
END
$$;

-- One step of a run: what one transaction does.  Once rows were sent, the next ones are announced at once.
CREATE FUNCTION crisp_push_step(plan crisp_push_plan, INOUT run crisp_push_run_state)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM @extschema@.crisp_push_begun(true);
    PERFORM @extschema@.crisp_push_settings(run);
    PERFORM @extschema@.crisp_push_check_unchanged(plan, run);
    IF run.keys IS NOT NULL THEN
        run := @extschema@.crisp_push_send_batch(plan, run, @extschema@.crisp_push_pick_announced(run));
        run.keys := NULL;
    END IF;
    WHILE run.keys IS NULL AND run.phase NOT IN ('end', 'failed', 'exhausted')
          AND (@extschema@.crisp_push_requests_left(run) < 1) IS NOT TRUE LOOP
        run := @extschema@.crisp_push_announce(plan, run);
    END LOOP;
END
$$;

-- End a run that has failed: keep why.
CREATE FUNCTION crisp_push_fail(run crisp_push_run_state)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
INSERT INTO @extschema@.crisp_push_my_error (run_id, sqlstate, message, detail, hint)
SELECT l.run_id, run.code, run.message, nullif(run.detail, ''), nullif(run.hint, '')
FROM @extschema@.crisp_push_my_log l WHERE l.run_id = run.run_id;
UPDATE @extschema@.crisp_push_my_log l SET outcome = 'failed', ended_at = clock_timestamp()
WHERE l.run_id = run.run_id;
UPDATE @extschema@.crisp_push_my_job j SET finds_rows = run.finds_rows
WHERE j.job_id = run.job_id AND run.finds_rows IS NOT NULL
$$;

-- Note a run that has failed before it had anything to push, as where a key is there twice: for the caller's job, or as
-- a call that has none.  While another session runs the job, the job tells of that: the caller has the job's lock, or
-- gets it here.  Who has lost the right to have that lock keeps others from beginning a run by the job's row, which
-- they would write to.
CREATE FUNCTION crisp_push_note_failure(
    source regclass, target regclass, key text, missing text, has_lock boolean, INOUT run crisp_push_run_state)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    failure @extschema@.crisp_sync_failure;
    job bigint;
BEGIN
    run.phase := 'failed';
    SELECT j.job_id INTO job FROM @extschema@.crisp_push_my_job j
    WHERE j.source = crisp_push_note_failure.source AND j.target = crisp_push_note_failure.target
      AND @extschema@.crisp_push_owner(j.job_id) = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)
    FOR UPDATE;
    IF NOT FOUND THEN
        failure.code := run.code;
        failure.message := run.message;
        failure.detail := run.detail;
        PERFORM @extschema@.crisp_push_note_failed_call(source, target, key, missing, run.started_at, failure);
        RETURN;
    ELSIF NOT has_lock THEN
        BEGIN
            has_lock := @extschema@.crisp_push_lock_briefly(source, target);
        EXCEPTION WHEN insufficient_privilege THEN
            has_lock := @extschema@.crisp_push_pid(source, target) IS NULL;
        END;
        IF NOT has_lock THEN
            RETURN;
        END IF;
    END IF;
    INSERT INTO @extschema@.crisp_push_my_log (job_id, started_at) VALUES (job, run.started_at)
    RETURNING job_id, run_id INTO run.job_id, run.run_id;
    PERFORM @extschema@.crisp_push_turn(run);
    PERFORM @extschema@.crisp_push_fail(run);
END
$$;

-- What a run has failed by, where source or target is gone: that.
CREATE FUNCTION crisp_push_true_failure(
    INOUT run crisp_push_run_state, source oid, source_name text, target oid, target_name text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    failure CONSTANT @extschema@.crisp_sync_failure := @extschema@.crisp_sync_true_failure(
        'push', source, source_name, target, target_name,
        ROW(run.code, run.message, run.detail, run.hint, run.context)::@extschema@.crisp_sync_failure);
BEGIN
    run.code := failure.code;
    run.message := failure.message;
    run.detail := failure.detail;
    run.hint := failure.hint;
    run.context := failure.context;
END
$$;

-- End a run, and tell what it has done.
CREATE FUNCTION crisp_push_finish(plan crisp_push_plan, run crisp_push_run_state)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    numbers @extschema@.crisp_push_numbers;
    log @extschema@.crisp_push_log;
    reason record;
    told text;
BEGIN
    UPDATE @extschema@.crisp_push_my_job j SET last_success = clock_timestamp(), finds_rows = run.finds_rows
    WHERE j.job_id = run.job_id;
    UPDATE @extschema@.crisp_push_my_log l
    SET outcome = CASE WHEN run.phase = 'end' AND run.needs IS NULL THEN 'finished' ELSE 'partial' END,
        ended_at = clock_timestamp()
    WHERE l.run_id = run.run_id RETURNING * INTO log;
    SELECT * INTO numbers FROM @extschema@.crisp_push_numbers n WHERE n.job_id = run.job_id;
    SELECT * INTO reason FROM @extschema@.crisp_sync_limit(plan.target, run.first_request, run.last_request)
    WHERE numbers.rows_pending > 0 AND (run.phase <> 'end' OR run.needs IS NOT NULL);
    IF reason.is_day AND log.requests = 0 THEN
        RAISE WARNING 'the push of "%" into "%" gets no further today', plan.source_name,
            plan.target_name
            USING DETAIL = reason.detail, HINT = reason.hint;
        reason.detail := NULL;
    END IF;
    told := format('"%s": new: %s, changed: %s, gone: %s, refused: %s; requests: %s%s',
        plan.source_name, log.rows_inserted, log.rows_updated, log.rows_deleted,
        log.rows_refused, log.requests,
        CASE numbers.rows_pending WHEN 0 THEN '' WHEN 1 THEN '; 1 row next time'
            ELSE format('; %s rows next time', numbers.rows_pending) END);
    IF reason.detail IS NULL THEN
        RAISE NOTICE '%', told;
    ELSE
        RAISE NOTICE '%', told USING DETAIL = reason.detail, HINT = reason.hint;
    END IF;
    IF run.needs > run.last_request - run.first_request THEN
        RAISE WARNING 'the push of "%" into "%" may make too few requests', plan.source_name, plan.target_name
            USING DETAIL = format('A row takes %s, of at most %s a call.', run.needs,
                                  run.last_request - run.first_request),
                HINT = CASE run.last_request WHEN nullif(current_setting('crisp_fdw.max_requests')::bigint, 0)
                           THEN 'Raise the setting crisp_fdw.max_requests.' ELSE 'Raise max_requests.' END;
    END IF;
    IF log.rows_refused > 0 OR numbers.rows_uncertain > 0 THEN
        RAISE WARNING '% of "%" % here',
            CASE numbers.rows_refused + numbers.rows_uncertain WHEN 1 THEN '1 row'
                ELSE numbers.rows_refused + numbers.rows_uncertain || ' rows' END,
            plan.source_name,
            CASE numbers.rows_refused + numbers.rows_uncertain WHEN 1 THEN 'is not at Crisp as it is'
                ELSE 'are not at Crisp as they are' END
            USING DETAIL = format('Refused: %s. May have been sent: %s.', numbers.rows_refused, numbers.rows_uncertain),
                HINT = CASE WHEN EXISTS (SELECT FROM pg_class c WHERE c.oid = plan.source)
                           THEN format('SELECT * FROM crisp_push_problems(%L, %L);', plan.source::text,
                                       plan.target::text)
                            ELSE 'The source was dropped while it was pushed.' END;
    END IF;
END
$$;

CREATE PROCEDURE crisp_push(
    source regclass,
    target regclass,
    key text DEFAULT NULL,
    max_requests integer DEFAULT 1000,
    missing text DEFAULT 'ignore',
    retry boolean DEFAULT false)
LANGUAGE plpgsql
AS $$
DECLARE
    plan @extschema@.crisp_push_plan;
    run @extschema@.crisp_push_run_state;
    source_name pg_catalog.text := source;
    target_name pg_catalog.text := target;
    has_lock pg_catalog.bool;
    failure @extschema@.crisp_sync_failure;
    -- It's raised again without its CONTEXT, which would be pages of SQL, and what was under way counts as broken off.
    query_canceled CONSTANT pg_catalog.text := '57014';
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM @extschema@.crisp_sync_check_writable('crisp_push');
    IF source IS NULL OR target IS NULL THEN
        PERFORM @extschema@.crisp_sync_throw('22004', 'source and target must not be null', NULL, NULL, NULL);
    ELSIF NOT @extschema@.crisp_sync_may_commit() THEN
        PERFORM @extschema@.crisp_sync_throw(
            '25001', 'crisp_push cannot run inside a transaction block',
            'It commits each part of its work together with what is known of it.',
            'CALL it by itself, outside of BEGIN and COMMIT and of functions.', NULL);
    END IF;
    run.started_at := clock_timestamp();
    PERFORM @extschema@.crisp_sync_context();   -- of a call that was cancelled
    -- DROP EXTENSION waits for this, in each transaction before it locks what we use.
    LOCK TABLE ONLY @extschema@.crisp_sync_job IN ACCESS SHARE MODE;
    DELETE FROM @extschema@.crisp_push_orphan;
    DELETE FROM @extschema@.crisp_push_orphan_failed_call;
    BEGIN
        PERFORM @extschema@.crisp_push_check_call(max_requests, missing);
        plan := @extschema@.crisp_push_plan(source, target, key, missing);
        has_lock := @extschema@.crisp_push_lock(source, target);
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        GET STACKED DIAGNOSTICS run.code = RETURNED_SQLSTATE, run.message = MESSAGE_TEXT,
            run.detail = PG_EXCEPTION_DETAIL, run.hint = PG_EXCEPTION_HINT;
        run.context := @extschema@.crisp_sync_context();
        run := @extschema@.crisp_push_true_failure(run, source, source_name, target, target_name);
    END;
    IF run.code = query_canceled THEN
        PERFORM @extschema@.crisp_sync_throw(run.code, run.message, run.detail, run.hint, NULL);
    ELSIF run.code IS NOT NULL THEN
        PERFORM @extschema@.crisp_push_note_failure(source, target, key, missing, false, run);
        COMMIT;
        PERFORM @extschema@.crisp_sync_throw(run.code, run.message, run.detail, run.hint, run.context);
    ELSIF NOT has_lock THEN
        RAISE NOTICE 'the push of "%" into "%" is running already, in process %',
            @extschema@.crisp_sync_name(source), @extschema@.crisp_sync_name(target),
            @extschema@.crisp_push_pid(source, target);
        COMMIT;     -- of settings, too
        RETURN;
    END IF;
    run.first_request := @extschema@.crisp_sync_requests();
    run.last_request := least(run.first_request + max_requests,
        CASE WHEN max_requests IS NOT NULL THEN 2147483647 END,
                              nullif(pg_catalog.current_setting('crisp_fdw.max_requests')::bigint, 0));
    BEGIN
        run := @extschema@.crisp_push_open(plan, coalesce(retry, false), run);
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        GET STACKED DIAGNOSTICS run.code = RETURNED_SQLSTATE, run.message = MESSAGE_TEXT,
            run.detail = PG_EXCEPTION_DETAIL, run.hint = PG_EXCEPTION_HINT;
        run.context := @extschema@.crisp_sync_context();
        IF run.code = query_canceled THEN
            PERFORM @extschema@.crisp_sync_throw(run.code, run.message, run.detail, run.hint, NULL);
        END IF;
        run := @extschema@.crisp_push_true_failure(run, source, source_name, target, target_name);
        run := @extschema@.crisp_push_note_failure(source, target, key, missing, true, run);
    END;
    COMMIT;
    -- From each COMMIT on, the caller's search_path finds operators and types: nothing comes in between.
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    BEGIN
        LOCK TABLE ONLY @extschema@.crisp_sync_job IN ACCESS SHARE MODE;
    EXCEPTION WHEN undefined_table OR invalid_schema_name THEN
        RAISE EXCEPTION 'extension "crisp_fdw" was dropped while the push ran'
            USING ERRCODE = 'undefined_object';
    END;

    WHILE run.phase NOT IN ('end', 'failed', 'exhausted') LOOP
        EXIT WHEN run.keys IS NULL AND @extschema@.crisp_push_requests_left(run) < 1;
        failure := NULL;
        BEGIN
            run := @extschema@.crisp_push_step(plan, run);
        EXCEPTION WHEN OTHERS OR query_canceled THEN
            GET STACKED DIAGNOSTICS failure.code = RETURNED_SQLSTATE, failure.message = MESSAGE_TEXT,
                failure.detail = PG_EXCEPTION_DETAIL, failure.hint = PG_EXCEPTION_HINT;
            failure.context := @extschema@.crisp_sync_context();
            PERFORM @extschema@.crisp_push_take_back(run);
            failure := @extschema@.crisp_push_why_failed(plan, run, failure);
        END;
        IF failure.code = query_canceled THEN
            COMMIT;
            PERFORM @extschema@.crisp_sync_throw(failure.code, failure.message, failure.detail, failure.hint, NULL);
        ELSIF failure.code IS NOT NULL THEN
            run.phase := 'failed';
            run.code := failure.code;
            run.message := failure.message;
            run.detail := failure.detail;
            run.hint := failure.hint;
            run.context := failure.context;
        END IF;
        IF run.phase = 'failed' THEN
            PERFORM @extschema@.crisp_push_fail(run);
        END IF;
        COMMIT;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        BEGIN
            LOCK TABLE ONLY @extschema@.crisp_sync_job IN ACCESS SHARE MODE;
        EXCEPTION WHEN undefined_table OR invalid_schema_name THEN
            RAISE EXCEPTION 'extension "crisp_fdw" was dropped while the push ran'
                USING ERRCODE = 'undefined_object';
        END;
    END LOOP;
    IF run.phase = 'failed' THEN
        PERFORM @extschema@.crisp_sync_throw(run.code, run.message, run.detail, run.hint, run.context);
    END IF;
    PERFORM @extschema@.crisp_push_finish(plan, run);
    COMMIT;
    PERFORM @extschema@.crisp_push_unlock(source, target);
END
$$;

COMMENT ON PROCEDURE crisp_push(regclass, regclass, text, integer, text, boolean) IS
    'bring what has changed in a table or view of the database to Crisp';

-- Let go of a push, or of what it has told Crisp.
CREATE FUNCTION crisp_push_forget(source regclass, target regclass, whole boolean)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job bigint;
BEGIN
    PERFORM @extschema@.crisp_sync_check_writable(CASE WHEN whole THEN 'crisp_push_drop' ELSE 'crisp_push_reset' END);
    IF whole AND @extschema@.crisp_push_forget_failed_calls(source, target) THEN
        -- There may have been no job yet.
        PERFORM FROM @extschema@.crisp_push_my_job j
        WHERE j.source = crisp_push_forget.source AND j.target = crisp_push_forget.target;
        IF NOT FOUND THEN
            RETURN;
        END IF;
    END IF;
    job := @extschema@.crisp_push_my_job_id(source, target);
    IF whole THEN
        DELETE FROM @extschema@.crisp_push_my_job j WHERE j.job_id = job;
    ELSE
        PERFORM @extschema@.crisp_push_forget_state(job);
    END IF;
END
$$;

-- The number of a job of the caller's that doesn't run, and can't until the transaction ends.
CREATE FUNCTION crisp_push_my_job_id(source regclass, target regclass)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job bigint;
BEGIN
    SELECT j.job_id INTO job FROM @extschema@.crisp_push_my_job j
    WHERE j.source = crisp_push_my_job_id.source AND j.target = crisp_push_my_job_id.target;
    IF NOT FOUND THEN
        PERFORM @extschema@.crisp_sync_throw(
            '42704', format('there is no push of "%s" into "%s"', @extschema@.crisp_sync_name(source),
                            @extschema@.crisp_sync_name(target)),
            NULL, 'A push is of who has called it first.', NULL);
    ELSIF NOT @extschema@.crisp_push_lock_briefly(source, target) THEN
        PERFORM @extschema@.crisp_sync_throw(
            '55006', format('the push of "%s" into "%s" is running, in process %s', @extschema@.crisp_sync_name(source),
                            @extschema@.crisp_sync_name(target), @extschema@.crisp_push_pid(source, target)),
            NULL, NULL, NULL);
    END IF;
    RETURN job;
END
$$;

CREATE FUNCTION crisp_push_reset(source regclass, target regclass)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
SELECT @extschema@.crisp_push_forget(source, target, false)
$$;

CREATE FUNCTION crisp_push_drop(source regclass, target regclass)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
SELECT @extschema@.crisp_push_forget(source, target, true)
$$;

-- Say of rows that may have been sent whether they were: those that were count as pushed, the others are sent again.
CREATE FUNCTION crisp_push_decide(source regclass, target regclass, was_sent boolean, key text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job bigint;
    decided bigint;
BEGIN
    PERFORM @extschema@.crisp_sync_check_writable('crisp_push_decide');
    IF was_sent IS NULL THEN
        PERFORM @extschema@.crisp_sync_throw('22004', 'was_sent must not be null', NULL, NULL, NULL);
    END IF;
    job := @extschema@.crisp_push_my_job_id(source, target);
    EXECUTE format($sql$
        UPDATE %s r
        SET state = CASE WHEN $1 THEN 'pushed' ELSE 'pending' END,
            pushed = CASE WHEN $1 THEN r.wanted ELSE r.pushed END,
            wanted = CASE WHEN NOT $1 THEN r.wanted END,
            is_there = CASE WHEN $1 THEN true END, sqlstate = NULL, error = NULL
        WHERE r.state = 'uncertain' AND ($2 IS NULL OR r.key = $2)
        $sql$, @extschema@.crisp_push_rows_of(job)) USING was_sent, crisp_push_decide.key;
    GET DIAGNOSTICS decided = ROW_COUNT;
    PERFORM @extschema@.crisp_push_count(job);
    RETURN decided;
END
$$;

-- The rows of a push that are not at Crisp as they are here.
CREATE FUNCTION crisp_push_problems(
    source regclass, target regclass, OUT key text, OUT state text, OUT sqlstate text, OUT error text,
    OUT tried_at timestamptz)
RETURNS SETOF record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job bigint;
BEGIN
    SELECT j.job_id INTO job FROM @extschema@.crisp_push_my_job j
    WHERE j.source = crisp_push_problems.source AND j.target = crisp_push_problems.target;
    IF FOUND THEN
        RETURN QUERY EXECUTE format($sql$
            SELECT coalesce(r.spelling, r.key), r.state, r.sqlstate, r.error, r.tried_at FROM %s r
            WHERE r.state IN ('refused', 'uncertain', 'sending') OR (r.state = 'pending' AND r.error IS NOT NULL)
            ORDER BY 1
            $sql$, @extschema@.crisp_push_rows_of(job));
    END IF;
END
$$;

-- Forget calls that failed before they had a job: of one source, of one target, or of all.
CREATE FUNCTION crisp_push_forget_failed(source regclass DEFAULT NULL, target regclass DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    forgotten bigint;
BEGIN
    PERFORM @extschema@.crisp_sync_check_writable('crisp_push_forget_failed');
    DELETE FROM @extschema@.crisp_push_my_failed_call f
    WHERE (crisp_push_forget_failed.source IS NULL OR f.source = crisp_push_forget_failed.source)
      AND (crisp_push_forget_failed.target IS NULL OR f.target = crisp_push_forget_failed.target);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END
$$;

COMMENT ON FUNCTION crisp_push_reset(regclass, regclass) IS
    'forget what a push has told Crisp: its next run pushes all rows again';
COMMENT ON FUNCTION crisp_push_drop(regclass, regclass) IS 'forget a push; what it has written stays at Crisp';
COMMENT ON FUNCTION crisp_push_forget_failed(regclass, regclass) IS
    'forget calls of crisp_push() that failed before they had a job';
COMMENT ON FUNCTION crisp_push_decide(regclass, regclass, boolean, text) IS
    'say whether rows that may have been sent were: those that were not are sent again';
COMMENT ON FUNCTION crisp_push_problems(regclass, regclass) IS
    'rows of a push that Crisp has refused, or that may have been sent, and why';

--
-- crisp_sync: what is known of each job
--

SET LOCAL search_path = crisp_sync_internal, @extschema:own@;

CREATE SEQUENCE crisp_sync_job_seq;
CREATE SEQUENCE crisp_sync_run_seq;

-- What a job knows: ranges of the date by which its list is read (what Crisp's filter_date_* bound: the update of
-- conversations, the creation of profiles), changed in the transaction that stores the rows they speak of.
--
--   selected  the rows that the copy is for, by sync_field: what calls have asked for so far
--   wanted    where these are, by the date
--   covered   what the copy has of that
--
-- A copy is up to date when nothing wanted is uncovered, no change is due, and no full load is under way.
--
-- What covered promises: each selected row whose date lay in the range when it was read is in the copy, as it was
-- then or later.  Rows may be deleted at Crisp since; that an incremental sync doesn't tell.  A promise can be broken
-- in these ways, and no other:
--
-- 1. A row is changed.  Where its date follows changes (conversations), the row then has a date of after that.  No
--    range is covered beyond the newest date of its first answer, or the start of the run, whichever is earlier, that
--    moment excluded: so the new date is not in it.  What was read beyond is no longer wanted: the next call wants it
--    anew, by selected.
-- 2. A row comes into Crisp's index late, with a date in the range.  So each run takes back what is covered of the
--    last overlap before the watermark, until one has looked back when that time had passed (settled).  A run that
--    finds gaps, or a full load to close, and comes before that, goes on with them first, and leaves a note of where
--    to look back to (unlooked): else what changes within an overlap would have to fit a call.
-- 3. A row is changed and keeps its date (profiles).  Then changes are read by sync_field, in Crisp's order: all
--    since the watermark, which was at most the newest of the first answer when covered was empty, at once or not at
--    all.  Those that are to be read are due, from that moment on, until they have been.  If they are too many for a
--    call, all is uncovered.  An answer without rows tells no such moment.  So what is covered while there is no
--    watermark holds for the run alone that has read it, and is uncovered with the first answer that tells one.  If
--    none does, one run must have read all.
-- 4. More rows are selected, by a reference, say: what these may lie in is uncovered.
-- 5. Rows are taken from the copy: witnesses tell, see crisp_sync_lost().
-- 6. Crisp can be asked for changes in neither way.  Then each run begins with nothing covered.
--
-- Why calls come to an end.  While nothing changes at Crisp, each call without a reference makes the first of these
-- smaller that isn't nothing, and none before it larger, each by the transaction of a step; or it says that it can't,
-- see below.
--
-- 1. What calls have not yet asked for, in selected.
-- 2. That the order is thought to be kept.  When it isn't, what was covered by it is uncovered, once (by_date).
-- 3. Changes by sync_field that are more than a call may ask for.  All is read again, once, and what is due is what
--    changed since then.
-- 4. What is uncovered of what is wanted.  A window covers the newest part of it: down to the oldest row, or to a
--    cut.  What a run takes back of the last overlap, it reads first; a run that finds gaps, or a full load to close,
--    takes nothing back, and the first run after overlap has passed is the last that does (settled).  Beyond the
--    newest row nothing is covered, since nothing tells that Crisp has got there: each run crosses that again, by 5.
-- 5. Rows of the window that comes next, by date: those after the newest cut.  Where one request brings too many, a
--    new cut leaves out all that came and are older than their median, half a page or more; or it parts off the
--    moment that half of them share, which is read whole, however many they are.  Cuts go when something older than
--    they was read, and not with the run: the next one begins with the window that this one has found to fit, and
--    what is empty between that and now comes with the same request.  A window of which no row came, though it took
--    more than a request, is halved in time, down to the length of a moment.
-- 6. Rows of a parent, or pages, that a window asks for (window_rows), halved down to one.
-- 7. Rows of a list without dates whose details the copy lacks; a call brings those of as many as it has requests for.
--    That a full load has read such a list once (pass_rows); it's read twice before rows are dropped that it lacks.
-- 8. That what has moved while all was read has not been looked for, which is done once (looked).
-- 9. Rows of the copy that a full load has not seen.  None is at Crisp if one window has read all that was uncovered
--    (caught_up).  Else a row may have moved on before each of them.  So what came since the watermark is read in one
--    statement, for at most as many requests as there are such rows, and no more than half of those that a call has
--    left; if these don't suffice, the rows are asked for by their keys: each is then seen, or gone from the copy.
--
-- So the end of a full load needs no moment at which nothing changes: 8 and 9 take as many requests as it takes to
-- read what has changed while 4 to 7 went on, and two for each row that wasn't seen.
--
-- A run whose requests don't suffice for one such step is stalled, and says so: it takes a higher max_requests.  So
-- does one that has read all again, and finds that what has changed since is too much once more.  If Crisp changes
-- all the time, a run has to have more requests than it takes to read what has changed since the last one; what is left
-- goes into the steps above.
CREATE TABLE crisp_sync_job (
    job_id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('crisp_sync_job_seq'::pg_catalog.regclass),
    source regclass NOT NULL,
    target regclass NOT NULL,
    resource text NOT NULL,
    parent regclass,
    sync_field text,
    dates_field text,
    mode text NOT NULL DEFAULT 'incremental',
    selected tstzmultirange NOT NULL DEFAULT '{}',
    wanted tstzmultirange NOT NULL DEFAULT '{}',
    covered tstzmultirange NOT NULL DEFAULT '{}',
    watermark timestamptz,
    watermark_at timestamptz,
    settled timestamptz,
    unlooked timestamptz,
    overlap interval,
    caught_up boolean NOT NULL DEFAULT false,
    looked boolean NOT NULL DEFAULT false,
    due timestamptz,
    pass_condition text,
    pass_reference timestamptz,
    pass_rows bigint NOT NULL DEFAULT 0,
    full_since timestamptz,
    deleted text,
    by_date boolean NOT NULL DEFAULT false,
    cuts timestamptz[] NOT NULL DEFAULT '{}',
    window_rows integer,
    pages_found integer,
    pages_missing integer,
    expected_rows bigint,
    rows_per_request integer NOT NULL DEFAULT 49,
    daily_quota integer,
    witnesses jsonb NOT NULL DEFAULT '[]',
    told_columns text[] NOT NULL DEFAULT '{}',
    keyless bigint NOT NULL DEFAULT 0,
    told_keyless bigint NOT NULL DEFAULT 0,
    rows_fetched bigint NOT NULL DEFAULT 0,
    rows_inserted bigint NOT NULL DEFAULT 0,
    rows_updated bigint NOT NULL DEFAULT 0,
    rows_deleted bigint NOT NULL DEFAULT 0,
    requests bigint NOT NULL DEFAULT 0,
    stalled boolean NOT NULL DEFAULT false,
    last_run_id bigint,
    last_success timestamptz,
    origin text[],
    scope text[],
    UNIQUE (source, target)
);

COMMENT ON TABLE crisp_sync_job IS 'the jobs of crisp_sync(), and what each of them has still to fetch';
COMMENT ON COLUMN crisp_sync_job.parent IS
    'the table of the parents of its rows that the last run has used; NULL: they have none';
COMMENT ON COLUMN crisp_sync_job.sync_field IS
    'column of the source by which changes are found; NULL: there is none, and each run reads all';
COMMENT ON COLUMN crisp_sync_job.dates_field IS
    'column of the source that wanted and covered are about; NULL: the source is read as a whole, or by sync_field';
COMMENT ON COLUMN crisp_sync_job.selected IS 'the rows that the copy is for, by sync_field';
COMMENT ON COLUMN crisp_sync_job.wanted IS 'where they are to be looked for, by dates_field';
COMMENT ON COLUMN crisp_sync_job.covered IS 'what the copy has of that, by dates_field';
COMMENT ON COLUMN crisp_sync_job.watermark IS
    'the newest moment that Crisp is known to have got to, of what is read first';
COMMENT ON COLUMN crisp_sync_job.watermark_at IS 'by our clock: when Crisp was first seen to have got that far';
COMMENT ON COLUMN crisp_sync_job.settled IS
    'up to here, rows that came into the index late are in the copy, too, or uncovered';
COMMENT ON COLUMN crisp_sync_job.unlooked IS
    'rows that came into the index late are still to be looked for from here on; NULL: within overlap';
COMMENT ON COLUMN crisp_sync_job.caught_up IS
    'the last window has read all that was uncovered at once, so no selected row can have moved past it';
COMMENT ON COLUMN crisp_sync_job.looked IS
    'what has moved while all was read has been looked for, or is wanted for that';
COMMENT ON COLUMN crisp_sync_job.overlap IS 'how far the last run looked back, which is what settled goes by';
COMMENT ON COLUMN crisp_sync_job.due IS
    'changes by sync_field from here on are to be read; NULL: none, or those that come with wanted';
COMMENT ON COLUMN crisp_sync_job.pass_condition IS
    'condition of the call whose range is not yet covered; all: changes took more than one may ask for';
COMMENT ON COLUMN crisp_sync_job.pass_rows IS 'rows fetched since all was last covered';
COMMENT ON COLUMN crisp_sync_job.full_since IS 'start of a full load that is not finished';
COMMENT ON COLUMN crisp_sync_job.deleted IS 'what it does with rows that are gone: delete or mark';
COMMENT ON COLUMN crisp_sync_job.by_date IS
    'Crisp did not keep the order that it was asked for, so the source is read by spans of time';
COMMENT ON COLUMN crisp_sync_job.cuts IS 'moments between which such a span fits a page, as far as is known';
COMMENT ON COLUMN crisp_sync_job.window_rows IS
    'rows of the parent that a window may ask for, since more took too many requests; NULL: as usual';
COMMENT ON COLUMN crisp_sync_job.pages_found IS 'the list has a page of this number ...';
COMMENT ON COLUMN crisp_sync_job.pages_missing IS '... and none of this one';
COMMENT ON COLUMN crisp_sync_job.witnesses IS
    'keys of some rows that the job has stored: when most of them are gone, so is the copy';
COMMENT ON COLUMN crisp_sync_job.told_columns IS
    'columns of the source that the target lacks, or generates, of which a run has told';
COMMENT ON COLUMN crisp_sync_job.keyless IS 'rows without a key that were left out, of which no run has told yet';
COMMENT ON COLUMN crisp_sync_job.told_keyless IS 'the most of them that a run has told of';
COMMENT ON COLUMN crisp_sync_job.stalled IS 'the last run has not come further: its requests did not suffice';
COMMENT ON COLUMN crisp_sync_job.origin IS 'whose rows the last run was to bring, as crisp_sync_origin has them';
COMMENT ON COLUMN crisp_sync_job.scope IS 'which rows the list showed that windows go over: see crisp_sync_scope_of()';
COMMENT ON COLUMN crisp_sync_job.expected_rows IS 'rows that the source has, as far as is known';

-- Whose rows are in a target.  They outlive their source and the job, which an incremental sync may clear away and a
-- dump leave out: to a full load of another source, they would look as if they were gone from Crisp.
CREATE TABLE crisp_sync_origin (
    target regclass NOT NULL,
    origin text[] NOT NULL,
    source text NOT NULL,
    PRIMARY KEY (target, origin)
);

COMMENT ON TABLE crisp_sync_origin IS 'whose rows the targets of crisp_sync() hold';
COMMENT ON COLUMN crisp_sync_origin.origin IS 'resource, website, inbox, and base_url of the server';
COMMENT ON COLUMN crisp_sync_origin.source IS 'name of the table that first brought some';

CREATE TABLE crisp_sync_log (
    run_id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('crisp_sync_run_seq'::pg_catalog.regclass),
    job_id bigint NOT NULL,
    mode text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    outcome text CHECK (outcome IN ('finished', 'partial', 'failed')),
    requests bigint NOT NULL DEFAULT 0,
    windows bigint NOT NULL DEFAULT 0,
    rows_fetched bigint NOT NULL DEFAULT 0,
    rows_inserted bigint NOT NULL DEFAULT 0,
    rows_updated bigint NOT NULL DEFAULT 0,
    rows_deleted bigint NOT NULL DEFAULT 0,
    progress_at timestamptz
);

CREATE INDEX crisp_sync_log_job ON crisp_sync_log (job_id, run_id);

COMMENT ON TABLE crisp_sync_log IS 'the runs of crisp_sync(); crisp_sync_run shows them';

-- An error may quote a row, so not everybody may see it.
CREATE TABLE crisp_sync_error (
    run_id bigint PRIMARY KEY REFERENCES crisp_sync_log ON DELETE CASCADE,
    sqlstate text NOT NULL,
    message text NOT NULL,
    detail text,
    hint text,
    context text
);

COMMENT ON TABLE crisp_sync_error IS
    'why runs of crisp_sync() have failed; crisp_sync_run shows it to those who may write to the target';

-- pg_dump carries the state along, but not that of tables which were dropped.  A condition names no table of ours: the
-- schema of the extension may be renamed.  Nor does a foreign key join what is dumped: a restore loads it in any order.
SELECT pg_catalog.pg_extension_config_dump('crisp_sync_job',
    'WHERE source::oid IN (SELECT oid FROM pg_catalog.pg_class) '
    'AND target::oid IN (SELECT oid FROM pg_catalog.pg_class)');
SELECT pg_catalog.pg_extension_config_dump('crisp_sync_origin',
                                           'WHERE target::oid IN (SELECT oid FROM pg_catalog.pg_class)');
SELECT pg_catalog.pg_extension_config_dump('crisp_sync_log', '');
SELECT pg_catalog.pg_extension_config_dump('crisp_sync_job_seq', '');
SELECT pg_catalog.pg_extension_config_dump('crisp_sync_run_seq', '');

-- The keys of what a full load has seen; an empty one says that it has begun.  Nobody but functions of the extension
-- looks into it.  It isn't dumped: a load of which nothing is known begins anew.
CREATE TABLE crisp_sync_seen (
    job_id bigint NOT NULL,
    key text[] NOT NULL,
    PRIMARY KEY (job_id, key)
);

COMMENT ON TABLE crisp_sync_seen IS 'the rows that full loads of crisp_sync() have seen, while these go on';

-- The runs of a job go with it, and what it has seen.  Whose rows it has brought is forgotten where that is asked
-- for, and where they are gone; but not when the source was dropped alone.
CREATE FUNCTION crisp_sync_drop_runs()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM @extschema@.crisp_sync_log l WHERE l.job_id = OLD.job_id;
    DELETE FROM @extschema@.crisp_sync_seen s WHERE s.job_id = OLD.job_id;
    IF EXISTS (SELECT FROM pg_class c WHERE c.oid = OLD.source) THEN
        DELETE FROM @extschema@.crisp_sync_origin o
        WHERE o.target = OLD.target AND o.origin = OLD.origin
          AND NOT EXISTS (SELECT FROM @extschema@.crisp_sync_job j
                          WHERE j.target = OLD.target AND j.origin = OLD.origin);
    END IF;
    RETURN NULL;
END
$$;

-- Or else anybody could have it run for a table of theirs, and forget the runs of others.
REVOKE ALL ON FUNCTION crisp_sync_drop_runs() FROM PUBLIC;

CREATE TRIGGER crisp_sync_drop_runs AFTER DELETE ON crisp_sync_job
FOR EACH ROW EXECUTE FUNCTION crisp_sync_drop_runs();

-- Who may change the target may change what is known of it.  The state is written through views that
-- show nothing else, so crisp_sync() needs no more rights than its caller has.
CREATE FUNCTION crisp_sync_may_write(target regclass)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce(has_table_privilege(target, 'SELECT') AND has_table_privilege(target, 'INSERT') AND
                has_table_privilege(target, 'UPDATE') AND has_table_privilege(target, 'DELETE'), false)
$$;

CREATE VIEW crisp_sync_my_job AS
SELECT * FROM crisp_sync_job WHERE crisp_sync_may_write(target)
WITH CASCADED CHECK OPTION;

CREATE VIEW crisp_sync_my_origin AS
SELECT * FROM crisp_sync_origin WHERE crisp_sync_may_write(target)
WITH CASCADED CHECK OPTION;

CREATE VIEW crisp_sync_my_log AS
SELECT * FROM crisp_sync_log l
WHERE EXISTS (SELECT FROM crisp_sync_job j WHERE j.job_id = l.job_id AND crisp_sync_may_write(j.target))
WITH CASCADED CHECK OPTION;

-- A barrier, or else a function in the WHERE of a query may see rows that the view doesn't show.
CREATE VIEW crisp_sync_my_error WITH (security_barrier) AS
SELECT * FROM crisp_sync_error e
WHERE EXISTS (SELECT FROM crisp_sync_log l JOIN crisp_sync_job j ON j.job_id = l.job_id
              WHERE l.run_id = e.run_id AND crisp_sync_may_write(j.target))
WITH CASCADED CHECK OPTION;

-- Jobs whose source or target was dropped.  Anybody may clear them away.
CREATE VIEW crisp_sync_orphan AS
SELECT job_id, source, target FROM crisp_sync_job j
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = j.source)
   OR NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = j.target);

-- What is known of rows whose target was dropped, likewise.
CREATE VIEW crisp_sync_orphan_origin AS
SELECT target FROM crisp_sync_origin o
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = o.target);

-- Runs whose job a dump has left out.
CREATE VIEW crisp_sync_orphan_run AS
SELECT run_id FROM crisp_sync_log l
WHERE NOT EXISTS (SELECT FROM crisp_sync_job j WHERE j.job_id = l.job_id);

-- Whoever may dump the database must be able to read what is dumped.
GRANT SELECT ON crisp_sync_job, crisp_sync_origin, crisp_sync_log, crisp_sync_job_seq, crisp_sync_run_seq TO PUBLIC;
-- Numbers are given out by the sequences alone: one that is made up would be in the way of others.
GRANT SELECT, DELETE ON crisp_sync_my_job, crisp_sync_my_log, crisp_sync_my_error, crisp_sync_my_origin,
    crisp_sync_orphan,
      crisp_sync_orphan_origin, crisp_sync_orphan_run TO PUBLIC;
GRANT INSERT (source, target, resource),
      UPDATE (sync_field, dates_field, mode, selected, wanted, covered, watermark, watermark_at, settled, unlooked,
              overlap, caught_up, looked, due, pass_condition, pass_reference, pass_rows, full_since, deleted, by_date,
              cuts, window_rows, pages_found, pages_missing, expected_rows, rows_per_request, daily_quota, witnesses,
              told_columns, keyless, told_keyless, rows_fetched, rows_inserted, rows_updated, rows_deleted, requests,
              stalled, last_run_id, last_success, origin, scope, parent)
ON crisp_sync_my_job TO PUBLIC;
GRANT INSERT (job_id, mode, started_at),
      UPDATE (ended_at, outcome, requests, windows, rows_fetched, rows_inserted, rows_updated, rows_deleted,
              progress_at)
ON crisp_sync_my_log TO PUBLIC;
GRANT INSERT ON crisp_sync_my_error, crisp_sync_my_origin TO PUBLIC;
GRANT USAGE ON crisp_sync_job_seq, crisp_sync_run_seq TO PUBLIC;

-- What PL/pgSQL can't do by itself.
CREATE FUNCTION crisp_sync_source(
    source regclass,
    OUT resource text,
    OUT keys text[],
    OUT key_length integer,
    OUT asked text[],
    OUT dates text[],
    OUT dates_follow_changes boolean,
    OUT bounded text[],
    OUT ordered text[],
    OUT listed text[],
    OUT has_details boolean,
    OUT changed text[],
    OUT times text[],
    OUT time_paths text[],
    OUT has_times boolean,
    OUT parent text,
    OUT argument text[],
    OUT keys_repeat boolean,
    OUT per_page integer,
    OUT prefetch integer,
    OUT daily_quota integer)
RETURNS record
AS 'MODULE_PATHNAME', 'crisp_sync_source_1_1'
LANGUAGE C STRICT STABLE;

CREATE FUNCTION crisp_sync_origin_of(source regclass)
RETURNS text[]
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT STABLE;

CREATE FUNCTION crisp_sync_scope_of(list regclass)
RETURNS text[]
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT STABLE;

-- What the keys of a resource name; rows of two resources whose keys name the same may have the same ones.
CREATE FUNCTION crisp_sync_keys_name(resource text)
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT STABLE;

-- May rows of other websites have the same keys?
CREATE FUNCTION crisp_sync_keys_recur(resource text)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT STABLE;

CREATE FUNCTION crisp_sync_lock(source oid, target oid)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_lock_briefly(source oid, target oid)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_unlock(source oid, target oid)
RETURNS void
AS 'MODULE_PATHNAME', 'crisp_sync_unlock_1_1'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_begin_full(source oid, target oid)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_end_full(source oid, target oid)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_is_full(source oid, target oid)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_remove(
    source oid, target oid, columns text[], keys text[], argument text, dated text, mark boolean, gone text[])
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE;

CREATE FUNCTION crisp_sync_unseen(
    source oid, target oid, columns text[], keys text[], argument text, dated text, mark boolean, most integer)
RETURNS text[]
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE;

CREATE FUNCTION crisp_sync_context()
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE;

-- Run a statement that gives one value, of the type of shape; its parameters are the fields of a row.  Where it fails,
-- or is stopped, nobody is shown the statement.
CREATE FUNCTION crisp_sync_quietly(shape anyelement, statement text, parameters record)
RETURNS anyelement
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE;

CREATE FUNCTION crisp_sync_can_assign(from_type oid, to_type oid)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT STABLE;

CREATE FUNCTION crisp_sync_may_commit()
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_count(list regclass)
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_page(list regclass, page_number integer, OUT rows integer, OUT is_last boolean)
RETURNS record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_requests()
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_quota_left(source regclass)
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_pages()
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

CREATE FUNCTION crisp_sync_clock_lead(list regclass)
RETURNS interval
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT VOLATILE;

COMMENT ON FUNCTION crisp_sync_source(regclass) IS
    'what the catalog says of the source of a sync, in names of its columns';
COMMENT ON FUNCTION crisp_sync_origin_of(regclass) IS
    'whose rows a source shows: resource, website, inbox, and base_url of the server';
COMMENT ON FUNCTION crisp_sync_keys_name(text) IS 'what the keys of a resource name: itself, or what others name, too';
COMMENT ON FUNCTION crisp_sync_keys_recur(text) IS 'whether rows of several websites may have the same key';
COMMENT ON FUNCTION crisp_sync_scope_of(regclass) IS 'which rows a list shows: website, inbox, also empty ones or not';
COMMENT ON FUNCTION crisp_sync_lock(oid, oid) IS
    'take the lock of a job, until it is given back, a transaction fails, or the session ends';
COMMENT ON FUNCTION crisp_sync_lock_briefly(oid, oid) IS 'take the lock of a job until the transaction ends';
COMMENT ON FUNCTION crisp_sync_count(regclass) IS
    'how many rows a list has, for one request; NULL where Crisp does not count them';
COMMENT ON FUNCTION crisp_sync_page(regclass, integer) IS
    'how many rows a page of a list has, and whether the list ends with it, for one request';
COMMENT ON FUNCTION crisp_sync_clock_lead(regclass) IS
    'by how much our clock is ahead of Crisp''s, as its last answer told; never negative';
COMMENT ON FUNCTION crisp_sync_pages() IS 'pages of lists that the session has read; of a list that came at once, one';
COMMENT ON FUNCTION crisp_sync_quota_left(regclass) IS
    'requests that daily_requests of the source''s server leaves to syncs today; NULL for any number';
COMMENT ON FUNCTION crisp_sync_requests() IS 'requests that the statement at hand has made';

-- The session that runs a job, as its lock tells; NULL when none does.
CREATE FUNCTION crisp_sync_pid(source regclass, target regclass)
RETURNS integer
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT l.pid FROM pg_locks l
WHERE l.locktype = 'object' AND l.objsubid = 17235 AND l.granted
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  AND l.classid = source::oid AND l.objid = target::oid
$$;

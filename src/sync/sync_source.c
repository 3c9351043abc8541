/*-------------------------------------------------------------------------
 *
 * sync_source.c
 *		Do what crisp_sync() can't in PL/pgSQL: look into the catalog, and know how it was called
 *		and what it has spent.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/extension_version.h"
#include "options/column_map.h"
#include "api/api_answer.h"
#include "api/quota.h"
#include "fetch/count.h"
#include "plan/plan.h"
#include "api/server_facts.h"
#include "options/options.h"
#include "fetch/list_reader.h"
#include "fetch/pager.h"

PG_FUNCTION_INFO_V1(crisp_sync_quota_left);
PG_FUNCTION_INFO_V1(crisp_sync_source_1_1);
PG_FUNCTION_INFO_V1(crisp_sync_source_unmapped);
PG_FUNCTION_INFO_V1(crisp_sync_origin_of);
PG_FUNCTION_INFO_V1(crisp_sync_scope_of);
PG_FUNCTION_INFO_V1(crisp_sync_keys_name);
PG_FUNCTION_INFO_V1(crisp_sync_keys_recur);
PG_FUNCTION_INFO_V1(crisp_sync_may_commit);
PG_FUNCTION_INFO_V1(crisp_sync_requests);
PG_FUNCTION_INFO_V1(crisp_sync_pages);
PG_FUNCTION_INFO_V1(crisp_sync_clock_lead);
PG_FUNCTION_INFO_V1(crisp_sync_count);
PG_FUNCTION_INFO_V1(crisp_sync_page);

/* Result columns of crisp_sync_source(). */
enum
{
	SOURCE_RESOURCE,
	SOURCE_KEYS,
	SOURCE_KEY_LENGTH,
	SOURCE_ASKED,
	SOURCE_DATES,
	SOURCE_DATES_FOLLOW,
	SOURCE_BOUNDED,
	SOURCE_ORDERED,
	SOURCE_LISTED,
	SOURCE_HAS_DETAILS,
	SOURCE_CHANGED,
	SOURCE_TIMES,
	SOURCE_TIME_PATHS,
	SOURCE_HAS_TIMES,
	SOURCE_PARENT,
	SOURCE_ARGUMENT,
	SOURCE_KEYS_REPEAT,
	SOURCE_PER_PAGE,
	SOURCE_PREFETCH,
	SOURCE_DAILY_QUOTA,
	SOURCE_COUNT
};

/*----------
 * The catalog
 *----------
 */

/*
 * Say whether a relation is a foreign table of this wrapper, whatever name that has in the
 * database.
 */
static bool
is_crisp_table(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE &&
		   GetFdwRoutineByRelId(relid)->GetForeignRelSize == crispGetForeignRelSize;
}

/* Say whether a catalog column is one that is looked for. */
typedef bool (*ColumnTest)(const CrispResource *resource, const CrispColumn *column);

/*
 * Return the columns of a foreign table that show a catalog column which the test accepts, the
 * first of each: an array of their names, or of their paths.
 */
static Datum
columns_that(Relation relation, const CrispOptions *options, ColumnTest test, bool as_paths)
{
	TupleDesc tupdesc = RelationGetDescr(relation);
	Datum	 *names = palloc(sizeof(Datum) * Max(tupdesc->natts, 1));
	List	 *shown = NIL;
	int		  count = 0;

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute  attribute = TupleDescAttr(tupdesc, i);
		const CrispColumn *column;

		if (attribute->attisdropped)
			continue;
		column = column_map_catalog(options, RelationGetRelid(relation), attribute->attnum);
		if (column == NULL || !test(options->resource, column) || list_member_ptr(shown, column))
			continue;
		shown = lappend(shown, (void *) column);
		names[count++] = CStringGetTextDatum(as_paths ? column->path : NameStr(attribute->attname));
	}
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

static bool
is_key(const CrispResource *resource, const CrispColumn *column)
{
	return (column->flags & (CRISP_KEY | CRISP_NAME)) != 0 ||
		   column == crisp_resource_word(resource) ||
		   (resource->parent != NULL && strcmp(column->path, resource->parent->path) == 0);
}

static bool
is_asked(const CrispResource *resource, const CrispColumn *column)
{
	return (column->flags & (CRISP_ASKED | CRISP_SENT)) != 0;
}

static bool
is_dates(const CrispResource *resource, const CrispColumn *column)
{
	return column == crisp_resource_dates(resource);
}

/*
 * Say whether a time is never later than the one that the API's dates are about: then they bound it
 * from below.
 */
static bool
is_bounded(const CrispResource *resource, const CrispColumn *column)
{
	const CrispColumn *dates = crisp_resource_dates(resource);

	if (dates == NULL || column == dates)
		return dates != NULL;
	return resource->dates_follow_changes && column->lower_param != NULL &&
		   strcmp(column->lower_param, dates->lower_param) == 0;
}

static bool
is_ordered(const CrispResource *resource, const CrispColumn *column)
{
	return crisp_resource_order(resource, column->path) != NULL;
}

static bool
is_listed(const CrispResource *resource, const CrispColumn *column)
{
	return crisp_resource_list_has(resource, column->path);
}

static bool
is_changed(const CrispResource *resource, const CrispColumn *column)
{
	return column == crisp_resource_changed(resource);
}

static bool
is_time(const CrispResource *resource, const CrispColumn *column)
{
	return column->type == CRISP_TIME;
}

static bool
is_argument(const CrispResource *resource, const CrispColumn *column)
{
	return resource->parent != NULL && strcmp(column->path, resource->parent->path) == 0;
}

/*
 * Return how many columns it takes to tell a row from all others, or, of a resource with a parent,
 * to find it among a few: below the same row at least.  0 where nothing does.
 */
static int
key_length(const CrispResource *resource)
{
	int length = 0;

	for (int i = 0; i < resource->ncolumns; i++)
		if (is_key(resource, &resource->columns[i]))
			length++;
	return length;
}

/*
 * Say whether rows of a resource have any times.
 */
static bool
has_times(const CrispResource *resource)
{
	for (int i = 0; i < resource->ncolumns; i++)
		if (resource->columns[i].type == CRISP_TIME)
			return true;
	return false;
}

static void
check_crisp_table(Oid relid)
{
	const char *name = get_rel_name(relid);

	if (name == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation with OID %u does not exist", relid)));
	if (!is_crisp_table(relid))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("\"%s\" is not a foreign table of crisp_fdw", name),
						errhint("The source of a sync is a table as IMPORT FOREIGN SCHEMA makes "
								"them.")));
}

/*
 * Return how many requests the server of a foreign table leaves to syncs today; NULL for any
 * number.
 *
 * SQL: crisp_sync_quota_left(source).
 */
Datum
crisp_sync_quota_left(PG_FUNCTION_ARGS)
{
	CrispOptions *options;
	int64		  left;

	extension_version_check();
	options = options_of_table(PG_GETARG_OID(0));
	option_add_credentials(options, GetUserId());
	left = quota_left(options);
	if (left == PG_INT64_MAX)
		PG_RETURN_NULL();
	PG_RETURN_INT64(left);
}

/*
 * Return what the catalog says of the foreign table with these options, in names of its columns: a
 * tuple of that type.
 */
static Datum
describe_source(const CrispOptions *options, Oid relid, TupleDesc tupdesc)
{
	const CrispResource *resource = options->resource;
	int					 quota = option_daily_quota(options);
	Relation			 relation;
	Datum				 values[SOURCE_COUNT] = {0};
	bool				 nulls[SOURCE_COUNT] = {false};

	relation = relation_open(relid, AccessShareLock);
	values[SOURCE_RESOURCE] = CStringGetTextDatum(resource->name);
	values[SOURCE_KEYS] = columns_that(relation, options, is_key, false);
	values[SOURCE_KEY_LENGTH] = Int32GetDatum(key_length(resource));
	values[SOURCE_ASKED] = columns_that(relation, options, is_asked, false);
	values[SOURCE_DATES] = columns_that(relation, options, is_dates, false);
	values[SOURCE_DATES_FOLLOW] = BoolGetDatum(resource->dates_follow_changes);
	values[SOURCE_BOUNDED] = columns_that(relation, options, is_bounded, false);
	values[SOURCE_ORDERED] = columns_that(relation, options, is_ordered, false);
	values[SOURCE_LISTED] = columns_that(relation, options, is_listed, false);
	values[SOURCE_HAS_DETAILS] = BoolGetDatum(
		crisp_resource_detail_route(resource, options->tier) != NULL);
	values[SOURCE_CHANGED] = columns_that(relation, options, is_changed, false);
	values[SOURCE_TIMES] = columns_that(relation, options, is_time, false);
	values[SOURCE_TIME_PATHS] = columns_that(relation, options, is_time, true);
	values[SOURCE_HAS_TIMES] = BoolGetDatum(has_times(resource));
	nulls[SOURCE_PARENT] = resource->parent == NULL;
	values[SOURCE_PARENT] = resource->parent ? CStringGetTextDatum(resource->parent->resource->name)
											 : (Datum) 0;
	values[SOURCE_ARGUMENT] = columns_that(relation, options, is_argument, false);
	/* Who sends a message chooses its fingerprint, and events have none. */
	values[SOURCE_KEYS_REPEAT] = BoolGetDatum(resource->parent != NULL &&
											  crisp_resource_key(resource) == NULL);
	values[SOURCE_PER_PAGE] = Int32GetDatum(resource->per_page_param ? options->per_page
																	 : CRISP_MIN_PER_PAGE);
	values[SOURCE_PREFETCH] = Int32GetDatum(options->prefetch);
	nulls[SOURCE_DAILY_QUOTA] = quota == 0;
	values[SOURCE_DAILY_QUOTA] = Int32GetDatum(quota);
	relation_close(relation, AccessShareLock);

	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}

/*
 * Return what the catalog says of a foreign table.  The mapping of the current user must be
 * complete.
 *
 * SQL: crisp_sync_source(source).
 */
Datum
crisp_sync_source_1_1(PG_FUNCTION_ARGS)
{
	Oid			  relid = PG_GETARG_OID(0);
	TupleDesc	  tupdesc;
	CrispOptions *options;

	extension_version_check();
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	check_crisp_table(relid);
	options = options_of_table(relid);
	option_add_credentials(options, GetUserId());
	PG_RETURN_DATUM(describe_source(options, relid, tupdesc));
}

/*
 * The same, but for what depends on the mapping: who updates the extension need have none.
 *
 * SQL: crisp_sync_source_unmapped(source), in install/upgrade_1.0_end.sql.
 */
Datum
crisp_sync_source_unmapped(PG_FUNCTION_ARGS)
{
	Oid			  relid = PG_GETARG_OID(0);
	TupleDesc	  tupdesc;
	CrispOptions *options;

	extension_version_check();
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	check_crisp_table(relid);
	options = options_of_table(relid);
	options->tier = "website";
	PG_RETURN_DATUM(describe_source(options, relid, tupdesc));
}

/*
 * Make an array of text; NULL for NULL.
 */
static ArrayType *
texts(const char *const *parts, int count)
{
	Datum *values = palloc(sizeof(Datum) * count);
	bool  *nulls = palloc(sizeof(bool) * count);
	int	   lower_bound = 1;

	for (int i = 0; i < count; i++)
	{
		nulls[i] = parts[i] == NULL;
		values[i] = parts[i] ? CStringGetTextDatum(parts[i]) : (Datum) 0;
	}
	return construct_md_array(values, nulls, 1, &count, &lower_bound, TEXTOID, -1, false,
							  TYPALIGN_INT);
}

/*
 * Return the inbox whose rows a table shows; NULL for none, as where inboxes have no meaning.
 */
static const char *
inbox_of(const CrispOptions *options)
{
	const CrispResource *resource = options->resource;
	bool				 has_inboxes = resource->inbox != NULL ||
					   (resource->parent != NULL && resource->parent->resource->inbox != NULL);

	return has_inboxes ? options->inbox : NULL;
}

/*
 * Say whose rows a foreign table shows, as an array: its resource, its website, its inbox (NULL
 * where it has none), and the base_url of its server.
 *
 * SQL: crisp_sync_origin_of(source).
 */
Datum
crisp_sync_origin_of(PG_FUNCTION_ARGS)
{
	Oid			  relid = PG_GETARG_OID(0);
	CrispOptions *options;
	const char	 *parts[4];

	extension_version_check();
	check_crisp_table(relid);
	options = options_of_table(relid);
	parts[0] = options->resource->name;
	parts[1] = options->website_id;
	parts[2] = inbox_of(options);
	parts[3] = options->base_url;
	PG_RETURN_ARRAYTYPE_P(texts(parts, lengthof(parts)));
}

/*
 * Say which rows a list shows, as an array: of which website and inbox, and "empty" where those
 * without a message are among them.
 *
 * SQL: crisp_sync_scope_of(list).
 */
Datum
crisp_sync_scope_of(PG_FUNCTION_ARGS)
{
	Oid			  relid = PG_GETARG_OID(0);
	CrispOptions *options;
	const char	 *parts[3];

	extension_version_check();
	check_crisp_table(relid);
	options = options_of_table(relid);
	parts[0] = options->website_id;
	parts[1] = inbox_of(options);
	parts[2] = options->resource->include_empty_param && options->include_empty ? "empty" : NULL;
	PG_RETURN_ARRAYTYPE_P(texts(parts, lengthof(parts)));
}

/* Return the resource whose name is the function's first argument; NULL where there is none. */
static const CrispResource *
resource_named(FunctionCallInfo fcinfo)
{
	return crisp_resource_find(text_to_cstring(PG_GETARG_TEXT_PP(0)));
}

/*
 * Say what the keys of a resource name, such as operators; the resource itself, if rows of no other
 * one have the same.
 *
 * SQL: crisp_sync_keys_name(resource).
 */
Datum
crisp_sync_keys_name(PG_FUNCTION_ARGS)
{
	const CrispResource *resource;
	Datum				 name = PG_GETARG_DATUM(0);

	extension_version_check();
	resource = resource_named(fcinfo);
	if (resource != NULL && resource->keys_name != NULL)
		name = CStringGetTextDatum(resource->keys_name);
	PG_RETURN_DATUM(name);
}

/*
 * Say whether rows of two websites may have the same key.
 *
 * SQL: crisp_sync_keys_recur(resource).
 */
Datum
crisp_sync_keys_recur(PG_FUNCTION_ARGS)
{
	const CrispResource *resource;

	extension_version_check();
	resource = resource_named(fcinfo);
	PG_RETURN_BOOL(resource != NULL && resource->keys_recur);
}

/*----------
 * The call
 *----------
 */

/*
 * Say whether the procedure that calls this may end transactions.
 *
 * SQL: crisp_sync_may_commit().
 */
Datum
crisp_sync_may_commit(PG_FUNCTION_ARGS)
{
	extension_version_check();
	PG_RETURN_BOOL(SPI_inside_nonatomic_context() && !IsSubTransaction());
}

/*
 * Return how many requests the statement at hand has made.
 *
 * SQL: crisp_sync_requests().
 */
Datum
crisp_sync_requests(PG_FUNCTION_ARGS)
{
	extension_version_check();
	PG_RETURN_INT64(api_statement_requests());
}

/*
 * Return how many pages of lists the session has read; of a list that came at once, one.
 *
 * SQL: crisp_sync_pages().
 */
Datum
crisp_sync_pages(PG_FUNCTION_ARGS)
{
	extension_version_check();
	PG_RETURN_INT64(list_reader_pages());
}

/*
 * Return by how much this machine's clock is ahead of the server's that has the list, as far as the
 * session has heard of that; never negative.
 *
 * SQL: crisp_sync_clock_lead(list).
 */
Datum
crisp_sync_clock_lead(PG_FUNCTION_ARGS)
{
	const CrispOptions *options;
	Interval		   *lead = palloc0(sizeof(Interval));

	extension_version_check();
	options = options_of_table(PG_GETARG_OID(0));
	lead->time = Max(server_fact_clock_lead(options), 0) * INT64CONST(1000);
	PG_RETURN_INTERVAL_P(lead);
}

/*----------
 * How long a list is
 *----------
 */

/*
 * Return the options of a list that the current user may read, with this user's credentials.
 */
static CrispOptions *
options_of_list(Oid relid)
{
	CrispOptions *options;
	AclResult	  access;

	check_crisp_table(relid);
	access = pg_class_aclcheck(relid, GetUserId(), ACL_SELECT);
	if (access != ACLCHECK_OK)
		aclcheck_error(access, OBJECT_FOREIGN_TABLE, get_rel_name(relid));
	options = options_of_table(relid);
	if (options->resource->parent != NULL)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("\"%s\" is not a list by itself", get_rel_name(relid))));
	option_add_credentials(options, GetUserId());
	return options;
}

/*
 * Return how many rows a list has, for one request; NULL where Crisp doesn't count them.
 *
 * SQL: crisp_sync_count(list).
 */
Datum
crisp_sync_count(PG_FUNCTION_ARGS)
{
	const CrispOptions *options;
	int64				rows;

	extension_version_check();
	options = options_of_list(PG_GETARG_OID(0));
	if (options->resource->count == NULL || !count_ask(options, &rows))
		PG_RETURN_NULL();
	PG_RETURN_INT64(rows);
}

/*
 * Return how many rows that page of a list has, 0 beyond the end of the list, and whether the list
 * is known to end with it, if not before.  Makes one request.
 *
 * SQL: crisp_sync_page(list, page_number).
 */
Datum
crisp_sync_page(PG_FUNCTION_ARGS)
{
	const CrispOptions *options;
	int32				number = PG_GETARG_INT32(1);
	ListRequest			request;
	Pager			   *pager;
	TupleDesc			tupdesc;
	Datum				values[2];
	bool				nulls[2] = {false};

	extension_version_check();
	options = options_of_list(PG_GETARG_OID(0));
	if (number < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("page_number must be at least 1")));
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	request = request_whole_list(options);
	request.any_order = true;
	pager = pager_begin(&request, NULL);
	values[0] = Int32GetDatum((int32) pager_go_to(pager, number));
	values[1] = BoolGetDatum(pager_on_last_page(pager));
	pager_end(pager);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}

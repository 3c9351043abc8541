/*-------------------------------------------------------------------------
 *
 * batch.c
 *		Make requests that change several rows in the same way.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/server_facts.h"
#include "json/json_make.h"
#include "write/batch.h"

/* How many rows a request may hold, halved as long as Crisp refuses it. */
static const int sizes[] = {50, 25, 12, 6, 3};

/*
 * Return the name under which a session remembers whether a request may hold so many rows.
 */
static char *
size_fact(const CrispBatch *batch, bool null, int size)
{
	return psprintf("takes %d rows%s: %s", size, null ? " with a null" : "", batch->route);
}

static FactState
recall_size(const ChangeTable *table, const CrispBatch *batch, bool null, int size)
{
	char	 *fact = size_fact(batch, null, size);
	FactState state = server_fact_recall(table->options, fact);

	pfree(fact);
	return state;
}

static void
remember_size(const ChangeTable *table, const CrispBatch *batch, bool null, int size, bool passes)
{
	char *fact = size_fact(batch, null, size);

	server_fact_remember(table->options, fact, passes);
	pfree(fact);
}

int
batch_size(const ChangeTable *table, const CrispBatch *batch, bool null)
{
	for (int i = 0; i < (int) lengthof(sizes); i++)
		if (recall_size(table, batch, null, sizes[i]) != FACT_FALSE)
			return sizes[i];
	return 0;
}

bool
batch_is_proven(const ChangeTable *table, const CrispBatch *batch, bool null, int nrows)
{
	for (int i = 0; i < (int) lengthof(sizes) && sizes[i] >= nrows; i++)
		if (recall_size(table, batch, null, sizes[i]) == FACT_TRUE)
			return true;
	return false;
}

void
batch_passed(const ChangeTable *table, const CrispBatch *batch, bool null, int nrows)
{
	for (int i = 0; i < (int) lengthof(sizes); i++)
		if (sizes[i] <= nrows)
			remember_size(table, batch, null, sizes[i], true);
}

void
batch_refused(const ChangeTable *table, const CrispBatch *batch, bool null, int nrows)
{
	for (int i = 0; i < (int) lengthof(sizes); i++)
		if (sizes[i] >= nrows)
			remember_size(table, batch, null, sizes[i], false);
}

/*
 * Return the names of rows as a JSON array.
 */
static EncodedValue
names_value(const CrispBatch *batch, const ChangeKeys *const *rows, int nrows)
{
	const JsonNode **names = palloc(sizeof(JsonNode *) * nrows);

	for (int i = 0; i < nrows; i++)
	{
		const char *name = change_key_value(rows[i], batch->name);

		if (name == NULL || name[0] == '\0')
			elog(ERROR, "crisp_fdw: a row without \"%s\" can't be part of a batch", batch->name);
		names[i] = encode_string(name).node;
	}
	return (EncodedValue){.node = json_make_array(CurrentMemoryContext, names, nrows)};
}

ChangeRequest *
batch_create(const ChangeTable *table, const ChangeRequest *model, const ChangeKeys *const *rows,
			 int nrows)
{
	const CrispBatch *batch = model->batch;
	ChangeRequest	 *request = palloc0(sizeof(ChangeRequest));
	BodyMember		 *members = palloc(sizeof(BodyMember) * (model->nmembers + 1));
	ChangeKeys		  no_keys = {0};
	int				  nmembers = 1;

	/* A request without names would be for more than these rows: an inbox, say. */
	if (nrows < 2)
		elog(ERROR, "crisp_fdw: a batch of %d rows", nrows);
	members[0] = (BodyMember){.path = batch->names_path, .value = names_value(batch, rows, nrows)};
	for (int i = 0; i < model->nmembers && batch->value == NULL; i++)
		members[nmembers++] = model->members[i];

	request->api.method = batch->method;
	request->api.repeatable = true;
	request->api.target = change_target(table, batch->route, &no_keys);
	request->api.body = body_create(members, nmembers, &request->api.body_length);
	request->nrows = nrows;
	request->names = change_names_text(rows, nrows);
	if (model->doubtful != NULL && batch->value == NULL)
	{
		request->doubtful = model->doubtful;
		for (int i = 1; i < nmembers; i++)
			if (strcmp(members[i].path, model->doubtful->body_path) == 0)
				members[i].path = model->doubtful->null_path;
		request->other_body = body_create(members, nmembers, &request->other_body_length);
	}
	return request;
}

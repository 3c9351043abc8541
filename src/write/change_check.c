/*-------------------------------------------------------------------------
 *
 * change_check.c
 *		Refuse rows with values that can't be written.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "write/change_check.h"

void
change_value_missing(const ChangeTable *table, const char *catalog_name, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_NOT_NULL_VIOLATION),
					errmsg("null value in column \"%s\" of foreign table \"%s\"",
						   change_column_name(table, catalog_name), table->name),
					errdetail("%s", detail)));
}

void
change_value_wrong(const ChangeTable *table, const char *catalog_name, const char *value,
				   const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for column \"%s\" of foreign table \"%s\": \"%s\"",
					change_column_name(table, catalog_name), table->name, encode_excerpt(value)),
			 errhint("%s", hint)));
}

/*
 * Return the first column that stands for the same at Crisp as one that can be written.
 */
static const ChangeColumn *
first_of_same(const ChangeTable *table, const ChangeColumn *column)
{
	const ChangeColumn *first = table->columns;

	if (column->data_key == NULL)
		return &table->columns[change_attribute(table, column->catalog_name) - 1];
	while (first->data_key == NULL || strcmp(first->data_key, column->data_key) != 0)
		first++;
	return first;
}

/*
 * Say why a column that Crisp could take isn't the one whose values are written: several columns
 * may stand for the same field, and only the first is written.  Return NULL for that first one.
 */
static char *
double_detail(const ChangeTable *table, const ChangeColumn *column)
{
	const ChangeColumn *first = first_of_same(table, column);

	if (first == column)
		return NULL;
	return psprintf("Column \"%s\" stands for the same at Crisp, and is the one to write.",
					first->name);
}

/*
 * Refuse a value for the table's column for the website, unless it's the table's own.
 */
static void
check_website_column(const ChangeRow *row, const ChangeColumn *column, Datum datum)
{
	const ChangeTable *table = row->table;
	char			  *value = encoder_text(column->encoder, datum);

	if (strcmp(value, table->options->website_id) != 0)
		change_value_wrong(table, column->catalog_name, value,
						   psprintf("The table's website is %s.", table->options->website_id));
}

void
change_check_inserted(const ChangeRow *row)
{
	const ChangeTable *table = row->table;

	for (int i = 0; i < table->ncolumns; i++)
	{
		const ChangeColumn *column = &table->columns[i];
		bool				can = false;
		char			   *detail = NULL;

		if (column->name == NULL || row->nulls[i] || column->generated)
			continue;
		if (column->column != NULL && (column->column->flags & CRISP_WEBSITE))
		{
			check_website_column(row, column, row->values[i]);
			continue;
		}
		if (change_column_target(table, column) != NULL)
			can = crisp_insert_takes(table->changes, change_column_target(table, column));
		if (can)
			detail = double_detail(table, column);
		if (!can || detail != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("column \"%s\" of foreign table \"%s\" cannot be sent to Crisp",
							column->name, table->name),
					 detail ? errdetail("%s", detail) : 0,
					 errhint("Columns that can be: %s", crisp_insert_columns(table->changes))));
	}
}

void
change_check_updated(const ChangeTable *table, const Bitmapset *columns)
{
	int attnum = -1;

	while ((attnum = bms_next_member(columns, attnum)) >= 0)
	{
		const ChangeColumn *column = &table->columns[attnum - 1];
		bool				can = false;
		char			   *detail = NULL;

		if (column->generated)
			continue;
		if (change_column_target(table, column) != NULL)
			can = crisp_update_takes(table->changes, change_column_target(table, column));
		if (can)
			detail = double_detail(table, column);
		if (!can || detail != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("column \"%s\" of foreign table \"%s\" cannot be changed", column->name,
							table->name),
					 detail ? errdetail("%s", detail) : 0,
					 errhint("Columns that can be: %s", crisp_update_columns(table->changes))));
	}
}

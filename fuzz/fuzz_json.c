/*-------------------------------------------------------------------------
 *
 * fuzz_json.c
 *		Try what reads JSON: the parser, paths, trees of paths, and conversions.
 *
 * What PostgreSQL itself makes of the same text is what must come out.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "fuzz.h"
#include "json/json_parse.h"
#include "json/path_tree.h"
#include "row/convert.h"
#include "row/convert_jsonb.h"

/* Nodes of an input may take so much. */
#define MAX_NODE_BYTES ((size_t) 64 * 1024 * 1024)

/* What nests deeper is refused by one of the two parsers, and maybe not by the other. */
#define SURE_DEPTH 100

/*
 * Return what jsonb_in() makes of a text; NULL where it raises an error.
 */
static Jsonb *
jsonb_of(const char *text)
{
	MemoryContext old_context = CurrentMemoryContext;
	Jsonb *volatile result = NULL;

	PG_TRY();
	{
		result = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old_context);
		FlushErrorState();
	}
	PG_END_TRY();
	return result;
}

/*
 * Say how deep the brackets of a text go, whether in strings or not.
 */
static int
depth_of(const char *text)
{
	int depth = 0;
	int deepest = 0;

	for (; *text != '\0'; text++)
	{
		if (*text == '[' || *text == '{')
		{
			depth++;
			deepest = Max(deepest, depth);
		}
		else if (*text == ']' || *text == '}')
			depth--;
	}
	return deepest;
}

/*
 * Parse a text, as it is and in place.  Returns whether it's JSON; *node is NULL for a null.
 */
static bool
parse(const char *text, size_t length, const JsonNode **node)
{
	char		   *copy = palloc(length + 1);
	const JsonNode *in_place;
	char		   *error;
	bool			parsed = json_parse(CurrentMemoryContext, text, length, node, &error);
	JsonOutcome		outcome;

	memcpy(copy, text, length + 1);
	outcome = json_parse_in_place(CurrentMemoryContext, copy, length, MAX_NODE_BYTES, &in_place,
								  &error);
	if (parsed != (outcome == JSON_PARSED) && outcome != JSON_TOO_LARGE)
		fuzz_fail("a text is JSON, and isn't in place");
	return parsed;
}

void
fuzz_json(uint8 *data, size_t size)
{
	const char	   *text = (const char *) data;
	const JsonNode *node;
	bool			parsed = parse(text, size, &node);
	Jsonb		   *expected = strlen(text) == size ? jsonb_of(text) : NULL;
	Jsonb		   *made;
	char			beginning[16];
	size_t			length;

	if (!parsed)
	{
		if (expected != NULL && depth_of(text) < SURE_DEPTH)
			fuzz_fail("what PostgreSQL takes for JSON is refused");
		return;
	}
	if (node == NULL)
		return;
	(void) json_text(node, &length);
	if (json_text_beginning(node, beginning, sizeof(beginning)) <
		Min(length, sizeof(beginning) - 1) / 4)
		fuzz_fail("the beginning of a text is too short");
	(void) convert_jsonb(node, INVALID_TEXT_REPLACE);
	made = DatumGetJsonbP(convert_jsonb(node, INVALID_TEXT_ERROR));
	if (expected != NULL && compareJsonbContainers(&made->root, &expected->root) != 0)
		fuzz_fail("jsonb differs from PostgreSQL's own");
}

/*
 * Try the paths of the first line, one after each tab, on the JSON of the rest.
 */
void
fuzz_path(uint8 *data, size_t size)
{
	char		   *text = (char *) data;
	char		   *end = memchr(text, '\n', size);
	PathTree	   *tree = path_tree_create();
	const JsonNode *object;
	const JsonPath *paths[8];
	int				numbers[8];
	int				npaths = 0;
	char		   *spelled;

	if (end == NULL)
		return;
	*end = '\0';
	if (!parse(end + 1, size - (end + 1 - text), &object) || object == NULL ||
		json_node_kind(object) != JSON_NODE_OBJECT)
		return;
	for (char *place = text; place != NULL && npaths < (int) lengthof(paths);)
	{
		char	   *next = strchr(place, '\t');
		const char *error;
		JsonPath   *path;

		if (next != NULL)
			*next++ = '\0';
		path = json_path_parse(place, &error);
		if (path != NULL)
		{
			char *normal = json_path_normalize(place);

			if (strcmp(json_path_normalize(normal), normal) != 0)
				fuzz_fail("a normalized path is normalized to another");
			numbers[npaths] = path_tree_add(tree, path);
			paths[npaths++] = path;
		}
		spelled = palloc(strlen(place) + 1);
		if (json_path_find(object, place) != json_path_find_spelled(object, place, spelled) &&
			strlen(place) < 512)
			fuzz_fail("a name is found, and isn't when it's spelled");
		place = next;
	}
	path_tree_walk(tree, object);
	for (int i = 0; i < npaths; i++)
		if (path_tree_value(tree, numbers[i]) != json_path_get(object, paths[i]))
			fuzz_fail("a tree of paths finds another value than the path");
}

/*
 * Convert the JSON after the first byte, which says to what type.
 */
void
fuzz_convert(uint8 *data, size_t size)
{
	static const Oid   types[] = {TEXTOID,		INT8OID,		INT4OID,	  FLOAT8OID,
								  BOOLOID,		TIMESTAMPTZOID, TIMESTAMPOID, DATEOID,
								  JSONBOID,		JSONOID,		NUMERICOID,	  TEXTARRAYOID,
								  INT8ARRAYOID, VARCHAROID,		UUIDOID,	  BYTEAOID};
	const JsonNode	  *node;
	ConversionProgress progress;
	bool			   isnull;
	uint8			   kind;

	if (size < 2)
		return;
	kind = data[0];
	if (!parse((const char *) data + 1, size - 1, &node))
		return;
	(void) conversion_run(
		conversion_create(types[kind % lengthof(types)], -1,
						  kind & 0x80 ? INVALID_TEXT_REPLACE : INVALID_TEXT_ERROR),
		node, &progress, &isnull);
}

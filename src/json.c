/*-------------------------------------------------------------------------
 *
 * json.c
 *		JSON behind one door: parsing, ownership, values, text.
 *
 * Trees come from json-c, which allocates with malloc.  Every tree hangs on a
 * memory context and is released when that context is reset or deleted, so
 * that ereport() may jump from anywhere.  A JsonNode is a json_object under
 * another name.
 *
 * json-c keeps the source text of numbers with a fraction or an exponent, but
 * cuts integers down to 64 bits, and it cuts keys at an embedded NUL.  Texts
 * that may hold such things are found by looking at few of their bytes, and
 * only those are rewritten before they are parsed.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <limits.h>

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "json.h"

/*
 * json-c has a type json_object, and PostgreSQL a function of that name, which
 * may be declared above.  So the compiler gets to see the type by another name.
 */
#define json_object json_c_object
#include <json-c/json.h>

/* Functions of 0.16 for what older versions have as members. */
#if JSON_C_VERSION_NUM < (16 << 8)
#define lh_table_head(table) ((table)->head)
#define lh_entry_next(entry) ((entry)->next)
#endif

/* How values are printed. */
#define PRINT_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

/* The shortest run of digits that may not fit into an int64. */
#define OVERLONG_DIGITS 19

/*
 * Appended to an integer that doesn't fit, so that json-c takes it for a
 * double and keeps its digits; taken off again after parsing.  A number that
 * came with such an end is refused, so that it can't be mistaken.
 */
#define MARKER "e0000000000000000000000000000000"
#define MARKER_LENGTH (sizeof(MARKER) - 1)

/* A tree, and how it hangs on its memory context. */
typedef struct OwnedTree
{
	json_object			 *tree;
	MemoryContextCallback callback;
} OwnedTree;

/* A place where the rewritten text is longer than the original. */
typedef struct Insertion
{
	size_t at; /* byte in the rewritten text */
	size_t length;
} Insertion;

/* The rewriting of one text. */
typedef struct Rewrite
{
	const char	  *text; /* the original */
	size_t		   length;
	size_t		   copied; /* how much of it is in result */
	StringInfoData result;
	StringInfoData insertions; /* array of Insertion, in ascending order */
	size_t		   n_overlong; /* integers that carry MARKER */
	const char	  *problem;	   /* what can't be parsed, NULL if nothing */
	size_t		   problem_at; /* byte in the original */
} Rewrite;

static void			 release_tree(void *arg);
static bool			 needs_rewrite(const char *text, size_t length);
static bool			 holds(const char *text, size_t length, const char *needle);
static bool			 holds_word(const char *text, size_t length, const char *word);
static bool			 is_one_of(char c, const char *set);
static bool			 holds_overlong_digits(const char *text, size_t length);
static void			 rewrite_text(Rewrite *rewrite);
static size_t		 rewrite_string(Rewrite *rewrite, size_t start);
static size_t		 rewrite_number(Rewrite *rewrite, size_t start);
static void			 rewrite_insert(Rewrite *rewrite, size_t at, const char *what);
static size_t		 original_offset(const Rewrite *rewrite, size_t offset);
static json_tokener *new_tokener(void);
static json_object	*parse_text(const char *text, size_t length, const char **problem,
								size_t *problem_at);
static const char	*what_went_wrong(enum json_tokener_error parse_error, bool at_end, char next);
static void			 restore_overlong(json_object *value);

/*
 * json_parse -- parse a text, and hang the tree on a memory context
 *
 * The owner's callback is registered before there is a tree, since it needs
 * memory and so may raise; nothing between parsing and storing the tree does.
 */
bool
json_parse(MemoryContext owner, const char *text, size_t length, const JsonNode **node,
		   char **error)
{
	OwnedTree  *owned;
	Rewrite		rewrite;
	bool		rewritten;
	size_t		problem_at = 0;
	const char *problem = NULL;

	*node = NULL;
	if (length > MaxAllocSize / 4)
	{
		*error = psprintf("%zu bytes are too long for one text", length);
		return false;
	}

	owned = MemoryContextAllocZero(owner, sizeof(OwnedTree));
	owned->callback.func = release_tree;
	owned->callback.arg = owned;
	MemoryContextRegisterResetCallback(owner, &owned->callback);

	memset(&rewrite, 0, sizeof(rewrite));
	rewritten = needs_rewrite(text, length);
	if (rewritten)
	{
		rewrite.text = text;
		rewrite.length = length;
		rewrite_text(&rewrite);
		problem = rewrite.problem;
		problem_at = rewrite.problem_at;
		text = rewrite.result.data;
		length = rewrite.result.len;
	}

	if (problem == NULL)
	{
		owned->tree = parse_text(text, length, &problem, &problem_at);
		if (rewritten)
			problem_at = original_offset(&rewrite, problem_at);
	}
	if (problem != NULL)
		*error = psprintf("%s at byte %zu", problem, problem_at + 1);
	else if (rewrite.n_overlong > 0)
		restore_overlong(owned->tree);

	if (rewritten)
	{
		pfree(rewrite.result.data);
		pfree(rewrite.insertions.data);
	}
	*node = (const JsonNode *) owned->tree;
	return problem == NULL;
}

/*
 * json_is_beginning -- might more bytes have made a text JSON?
 *
 * It might when the parser has come to the end and still wants more.
 */
bool
json_is_beginning(const char *text, size_t length)
{
	json_tokener *tokener = new_tokener();
	bool		  result;

	json_object_put(json_tokener_parse_ex(tokener, text, (int) Min(length, INT_MAX)));
	result = json_tokener_get_error(tokener) == json_tokener_continue;
	json_tokener_free(tokener);
	return result;
}

/*
 * object_of -- the library's view of a node
 */
static json_object *
object_of(const JsonNode *node)
{
	return (json_object *) unconstify(JsonNode *, node);
}

/*
 * json_node_kind -- what a node is
 */
JsonNodeKind
json_node_kind(const JsonNode *node)
{
	switch (json_object_get_type(object_of(node)))
	{
		case json_type_null:
			break;
		case json_type_boolean:
			return JSON_NODE_BOOLEAN;
		case json_type_int:
		case json_type_double:
			return JSON_NODE_NUMBER;
		case json_type_string:
			return JSON_NODE_STRING;
		case json_type_array:
			return JSON_NODE_ARRAY;
		case json_type_object:
			return JSON_NODE_OBJECT;
	}
	return JSON_NODE_NULL;
}

/*
 * json_node_length -- how many elements an array has
 */
size_t
json_node_length(const JsonNode *array)
{
	if (!json_object_is_type(object_of(array), json_type_array))
		return 0;
	return json_object_array_length(object_of(array));
}

/*
 * json_node_element -- an element of an array
 */
const JsonNode *
json_node_element(const JsonNode *array, size_t index)
{
	return (const JsonNode *) json_object_array_get_idx(object_of(array), index);
}

/*
 * json_node_member -- the value of a key
 */
const JsonNode *
json_node_member(const JsonNode *object, const char *key)
{
	json_object *value;

	if (!json_object_is_type(object_of(object), json_type_object) ||
		!json_object_object_get_ex(object_of(object), key, &value))
		return NULL;
	return (const JsonNode *) value;
}

/*
 * json_node_next_member -- the same, trying first what comes next
 *
 * Which spares most of the hashing.
 */
const JsonNode *
json_node_next_member(const JsonNode *object, const char *key, JsonCursor *cursor)
{
	const struct lh_entry *member = cursor->next;
	struct lh_table		  *members;

	if (!json_object_is_type(object_of(object), json_type_object))
		return NULL;
	members = json_object_get_object(object_of(object));
	if (member == NULL)
		member = lh_table_head(members);
	if (member == NULL || strcmp(lh_entry_k(member), key) != 0)
	{
		member = lh_table_lookup_entry(members, key);
		if (member == NULL)
			return NULL;
	}
	cursor->next = lh_entry_next(member);
	return (const JsonNode *) lh_entry_v(member);
}

/*
 * json_node_has_member -- is there such a key?
 */
bool
json_node_has_member(const JsonNode *object, const char *key)
{
	return json_object_is_type(object_of(object), json_type_object) &&
		   json_object_object_get_ex(object_of(object), key, NULL);
}

/*
 * json_node_string -- the bytes of a string
 */
const char *
json_node_string(const JsonNode *string, size_t *length)
{
	if (!json_object_is_type(object_of(string), json_type_string))
		return NULL;
	if (length != NULL)
		*length = json_object_get_string_len(object_of(string));
	return json_object_get_string(object_of(string));
}

/*
 * json_node_int64 -- the value of an integer
 *
 * json-c gives the nearest int64 for what is larger.
 */
bool
json_node_int64(const JsonNode *number, int64 *value)
{
	if (!json_object_is_type(object_of(number), json_type_int))
		return false;
	*value = json_object_get_int64(object_of(number));
	return *value != PG_INT64_MAX ||
		   json_object_get_uint64(object_of(number)) == (uint64) PG_INT64_MAX;
}

/*
 * json_node_double -- the value of a number
 */
double
json_node_double(const JsonNode *number)
{
	if (json_node_kind(number) != JSON_NODE_NUMBER)
		return 0;
	return json_object_get_double(object_of(number));
}

/*
 * json_node_boolean -- is a value true?
 */
bool
json_node_boolean(const JsonNode *boolean)
{
	return json_object_is_type(object_of(boolean), json_type_boolean) &&
		   json_object_get_boolean(object_of(boolean));
}

/*
 * json_text -- the text of a value
 */
const char *
json_text(const JsonNode *node, size_t *length)
{
	json_object *value = object_of(node);
	const char	*text;

	/* The source text of a parsed double needs no printing. */
	if (json_object_is_type(value, json_type_double) &&
		(text = json_object_get_userdata(value)) != NULL)
	{
		*length = strlen(text);
		return text;
	}

	text = json_object_to_json_string_length(value, PRINT_FLAGS, length);
	if (text == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("Failed while printing a JSON value.")));
	return text;
}

/*
 * json_text_beginning -- the beginning of that, without an error
 *
 * Printing again leaves the earlier text as it was.
 */
size_t
json_text_beginning(const JsonNode *node, char *buffer, size_t size)
{
	size_t		length;
	const char *text = json_object_to_json_string_length(object_of(node), PRINT_FLAGS, &length);

	if (text == NULL)
		return 0;
	length = Min(length, size);
	memcpy(buffer, text, length);
	return length;
}

/*
 * release_tree -- reset callback of the owner's context
 */
static void
release_tree(void *arg)
{
	OwnedTree *owned = arg;

	json_object_put(owned->tree);
	owned->tree = NULL;
}

/*
 * needs_rewrite -- may the text hold what json-c would read wrongly?
 *
 * True also for texts that merely look so, a telephone number in a string for
 * one; that costs a little time and changes nothing.
 */
static bool
needs_rewrite(const char *text, size_t length)
{
	return holds_overlong_digits(text, length) || holds(text, length, "\\u0000") ||
		   holds_word(text, length, "NaN") || holds_word(text, length, "Infinity");
}

static bool
holds(const char *text, size_t length, const char *needle)
{
	return memmem(text, length, needle, strlen(needle)) != NULL;
}

/*
 * holds_word -- the same, several times as fast where the first byte is rare
 */
static bool
holds_word(const char *text, size_t length, const char *word)
{
	const char *end = text + length;
	size_t		word_length = strlen(word);

	while ((text = memchr(text, word[0], end - text)) != NULL)
	{
		if ((size_t) (end - text) >= word_length && memcmp(text, word, word_length) == 0)
			return true;
		text++;
	}
	return false;
}

static bool
is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/*
 * holds_overlong_digits -- is there a run of OVERLONG_DIGITS digits?
 *
 * Such a run covers one of any OVERLONG_DIGITS bytes in a row, so the others
 * are looked at only around a digit.
 */
static bool
holds_overlong_digits(const char *text, size_t length)
{
	size_t probe = OVERLONG_DIGITS - 1;

	while (probe < length)
	{
		size_t first = probe;
		size_t last = probe;

		if (!isdigit((unsigned char) text[probe]))
		{
			probe += OVERLONG_DIGITS;
			continue;
		}
		while (first > 0 && isdigit((unsigned char) text[first - 1]))
			first--;
		while (last + 1 < length && isdigit((unsigned char) text[last + 1]))
			last++;
		if (last - first + 1 >= OVERLONG_DIGITS)
			return true;
		probe = last + OVERLONG_DIGITS;
	}
	return false;
}

/*
 * rewrite_text -- the text as json-c can read it, into result
 *
 * Walks over the tokens without judging their order, which is the parser's
 * business.  NaN and Infinity are refused here, because json-c takes them.
 */
static void
rewrite_text(Rewrite *rewrite)
{
	size_t at = 0;

	initStringInfo(&rewrite->result);
	initStringInfo(&rewrite->insertions);
	while (at < rewrite->length && rewrite->problem == NULL)
	{
		char c = rewrite->text[at];

		if (c == '"')
			at = rewrite_string(rewrite, at);
		else if (c == '-' || isdigit((unsigned char) c))
			at = rewrite_number(rewrite, at);
		else if (c == 'N' || c == 'I')
		{
			rewrite->problem = "unexpected character";
			rewrite->problem_at = at;
		}
		else
			at++;
	}
	appendBinaryStringInfo(&rewrite->result, rewrite->text + rewrite->copied,
						   (int) (rewrite->length - rewrite->copied));
}

/*
 * rewrite_string -- pass over the string that begins at start
 *
 * A key with an embedded NUL keeps the escape as text (a\u0000b stands for
 * itself), since json-c would cut the key there, and might then put its value
 * in the place of another's.  Returns where the string has ended.
 */
static size_t
rewrite_string(Rewrite *rewrite, size_t start)
{
	const char *text = rewrite->text;
	size_t		end = start + 1;
	size_t		next;
	bool		has_nul = false;

	while (end < rewrite->length && text[end] != '"')
	{
		if (text[end] == '\\' && end + 1 < rewrite->length)
		{
			if (rewrite->length - end >= 6 && memcmp(text + end, "\\u0000", 6) == 0)
				has_nul = true;
			end++;
		}
		end++;
	}
	if (end >= rewrite->length)
		return rewrite->length;
	end++;

	next = end;
	while (next < rewrite->length && is_one_of(text[next], " \t\r\n"))
		next++;
	if (has_nul && next < rewrite->length && text[next] == ':')
	{
		for (size_t at = start + 1; at < end; at++)
		{
			if (text[at] != '\\')
				continue;
			if (memcmp(text + at, "\\u0000", Min(6, end - at)) == 0)
				rewrite_insert(rewrite, at, "\\");
			at++;
		}
	}
	return end;
}

/*
 * rewrite_number -- pass over the number that begins at start
 *
 * Marks an integer that doesn't fit into an int64.  Returns where the number
 * has ended.
 */
static size_t
rewrite_number(Rewrite *rewrite, size_t start)
{
	const char *text = rewrite->text;
	size_t		end = start + 1;
	size_t		digits;

	while (end < rewrite->length && isdigit((unsigned char) text[end]))
		end++;
	digits = end - start - (text[start] == '-' ? 1 : 0);

	if (end < rewrite->length && is_one_of(text[end], ".eE"))
	{
		while (end < rewrite->length && is_one_of(text[end], "0123456789.eE+-"))
			end++;
		if (end - start >= MARKER_LENGTH &&
			memcmp(text + end - MARKER_LENGTH, MARKER, MARKER_LENGTH) == 0)
		{
			rewrite->problem = "overlong exponent";
			rewrite->problem_at = start;
		}
	}
	else if (digits >= OVERLONG_DIGITS)
	{
		char   buffer[32];
		size_t length = Min(end - start, sizeof(buffer) - 1);

		/* More digits than the buffer takes are out of range in any case. */
		memcpy(buffer, text + start, length);
		buffer[length] = '\0';
		errno = 0;
		(void) strtoll(buffer, NULL, 10);
		if (errno == ERANGE)
		{
			rewrite_insert(rewrite, end, MARKER);
			rewrite->n_overlong++;
		}
	}
	return end;
}

/*
 * rewrite_insert -- copy the original up to a byte, then add a string
 */
static void
rewrite_insert(Rewrite *rewrite, size_t at, const char *what)
{
	Insertion insertion;

	appendBinaryStringInfo(&rewrite->result, rewrite->text + rewrite->copied,
						   (int) (at - rewrite->copied));
	rewrite->copied = at;
	insertion.at = rewrite->result.len;
	insertion.length = strlen(what);
	appendBinaryStringInfo(&rewrite->insertions, (const char *) &insertion, sizeof(insertion));
	appendStringInfoString(&rewrite->result, what);
}

/*
 * original_offset -- where a byte of the rewritten text was in the original
 */
static size_t
original_offset(const Rewrite *rewrite, size_t offset)
{
	const Insertion *insertions = (const Insertion *) rewrite->insertions.data;
	size_t			 n = rewrite->insertions.len / sizeof(Insertion);
	size_t			 added = 0;

	for (size_t i = 0; i < n && insertions[i].at < offset; i++)
		added += Min(insertions[i].length, offset - insertions[i].at);
	return offset - added;
}

/*
 * strict_mode_works -- not in json-c 0.18, which then refuses all text that is
 * not ASCII; there, comments and trailing commas pass
 */
static bool
strict_mode_works(void)
{
	return json_c_version_num() >> 8 != 18;
}

/*
 * new_tokener -- a parser as we need it, to be freed by the caller
 */
static json_tokener *
new_tokener(void)
{
	json_tokener *tokener = json_tokener_new_ex(JSON_MAX_DEPTH);

	if (tokener == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("Failed while preparing to parse JSON.")));
	if (strict_mode_works())
		json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	return tokener;
}

/*
 * parse_text -- have json-c parse the whole text
 *
 * Sets *problem and *problem_at if it isn't JSON; raises only for memory.
 */
static json_object *
parse_text(const char *text, size_t length, const char **problem, size_t *problem_at)
{
	json_tokener		   *tokener = new_tokener();
	json_object			   *tree;
	enum json_tokener_error parse_error;
	size_t					end;
	bool					out_of_memory;

	tree = json_tokener_parse_ex(tokener, text, (int) length);
	parse_error = json_tokener_get_error(tokener);
	end = json_tokener_get_parse_end(tokener);
	if (parse_error == json_tokener_continue)
	{
		/* A number at the end of the text goes on until it is told to stop. */
		tree = json_tokener_parse_ex(tokener, "", -1);
		parse_error = json_tokener_get_error(tokener);
		end = length;
	}
	json_tokener_free(tokener);

	/* A NULL tree is a literal null, unless there was no memory for it. */
	out_of_memory = parse_error == json_tokener_success && tree == NULL &&
					!holds(text, length, "null");
	if (out_of_memory)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("Failed while parsing JSON.")));

	*problem_at = end;
	*problem = what_went_wrong(parse_error, end >= length, end < length ? text[end] : '\0');
	if (*problem != NULL)
	{
		json_object_put(tree);
		tree = NULL;
	}
	return tree;
}

/*
 * what_went_wrong -- what stopped the parser, or NULL if the text is whole
 *
 * next is the byte where it stopped, unless it got to the end.
 */
static const char *
what_went_wrong(enum json_tokener_error parse_error, bool at_end, char next)
{
	if (!at_end && next == '\0')
		return "unexpected NUL byte";
	if (parse_error == json_tokener_success)
		return at_end ? NULL : "unexpected character";
	if (parse_error == json_tokener_continue)
		return json_tokener_error_desc(json_tokener_error_parse_eof);
	return json_tokener_error_desc(parse_error);
}

/*
 * restore_overlong -- give the overlong integers their own text back
 *
 * The source text of a double is its user data (documented so with
 * json_object_new_double_s), a C string that may be shortened in place.
 * Recursion is no deeper than the parser let it be.
 */
static void
restore_overlong(json_object *value)
{
	switch (json_object_get_type(value))
	{
		case json_type_double:
		{
			char  *source = json_object_get_userdata(value);
			size_t length = source ? strlen(source) : 0;

			if (length > MARKER_LENGTH && strcmp(source + length - MARKER_LENGTH, MARKER) == 0)
				source[length - MARKER_LENGTH] = '\0';
			break;
		}
		case json_type_array:
			for (size_t i = 0; i < json_object_array_length(value); i++)
				restore_overlong(json_object_array_get_idx(value, i));
			break;
		case json_type_object:
		{
			json_object_object_foreach(value, key, member)
			{
				(void) key;
				restore_overlong(member);
			}
			break;
		}
		default:
			break;
	}
}

/*
 * search.c
 *		Search for what search_query, search_filter and search_text ask for.
 */
#include "search.h"

#include <stdlib.h>
#include <string.h>

#include "json_path.h"
#include "lexicon.h"

typedef enum Operator
{
	OPERATOR_EQ,
	OPERATOR_NEQ,
	OPERATOR_GT,
	OPERATOR_GTE,
	OPERATOR_LT,
	OPERATOR_LTE,
	OPERATOR_CONTAINS
} Operator;

static const struct
{
	const char *name;
	Operator	operator;
} operators[] = {
	{"eq", OPERATOR_EQ},   {"in", OPERATOR_EQ},	  {"neq", OPERATOR_NEQ},
	{"nin", OPERATOR_NEQ}, {"gt", OPERATOR_GT},	  {"gte", OPERATOR_GTE},
	{"lt", OPERATOR_LT},   {"lte", OPERATOR_LTE}, {"contains", OPERATOR_CONTAINS},
};

typedef struct Condition
{
	char		*criterion;
	Operator	 operator;
	json_object *values; /* an array */
} Condition;

struct Search
{
	char		*text;
	char		*segment;
	Condition	*conditions;
	size_t		 condition_count;
	bool		 any;
	bool		 without_segments; /* conditions on segments hold */
	FilterValues values;
	Search		*next; /* which must match too */
};

Search *
search_for_text(const char *text)
{
	Search *search = xcalloc(1, sizeof(*search));

	search->text = xstrdup(text);
	return search;
}

Search *
search_for_segment(const char *segment)
{
	Search *search = xcalloc(1, sizeof(*search));

	search->segment = xstrdup(segment);
	return search;
}

static bool
is_model(const char *model, const char *const *models)
{
	while (model != NULL && *models != NULL)
		if (strcmp(model, *models++) == 0)
			return true;
	return false;
}

static const char *
parse_condition(json_object *item, const char *const *models, Condition *condition)
{
	const char	*criterion = json_path_string(item, "criterion");
	const char	*operator= json_path_string(item, "operator");
	json_object *values = json_path_get(item, "query");

	if (json_path_string(item, "model") == NULL || criterion == NULL || operator== NULL)
		return "each filter needs model, criterion and operator";
	if (!is_model(json_path_string(item, "model"), models))
		return "unknown model in a filter";
	if (!json_object_is_type(values, json_type_array))
		return "each filter needs an array as its query";
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (strcmp(operators[i].name, operator) == 0)
		{
			condition->operator= operators[i].operator;
			condition->criterion = xstrdup(criterion);
			condition->values = json_object_get(values);
			return NULL;
		}
	return "unknown operator in a filter";
}

Search *
search_for_filter(const char *json, bool any, const char *const *models, FilterValues values,
				  const char **error)
{
	json_object *tree = json_parse(json, strlen(json));
	Search		*search = xcalloc(1, sizeof(*search));
	size_t		 count;

	*error = NULL;
	if (!json_object_is_type(tree, json_type_array))
		*error = "the filter is not a JSON array";
	count = *error == NULL ? json_object_array_length(tree) : 0;
	search->any = any;
	search->values = values;
	search->conditions = xcalloc(count, sizeof(Condition));
	for (size_t i = 0; i < count && *error == NULL; i++)
	{
		*error = parse_condition(json_object_array_get_idx(tree, i), models,
								 &search->conditions[i]);
		if (*error != NULL)
			continue;
		search->condition_count++;
		if (values == VALUES_REFUSED && json_object_array_length(search->conditions[i].values) > 1)
			*error = "each filter takes one value";
	}
	json_object_put(tree);
	if (*error == NULL)
		return search;
	search_free(search);
	return NULL;
}

Search *
search_and(Search *first, Search *second)
{
	if (first == NULL)
		return second;
	first->next = second;
	return first;
}

void
search_free(Search *search)
{
	while (search != NULL)
	{
		Search *next = search->next;

		for (size_t i = 0; i < search->condition_count; i++)
		{
			free(search->conditions[i].criterion);
			json_object_put(search->conditions[i].values);
		}
		free(search->conditions);
		free(search->text);
		free(search->segment);
		free(search);
		search = next;
	}
}

json_object *
search_value(json_object *tree, const char *criterion)
{
	static const char *const prefixes[] = {"", "person.", "meta.", "company."};
	json_object				*value = NULL;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]) && value == NULL; i++)
	{
		Buffer path = {0};

		buffer_puts(&path, prefixes[i]);
		buffer_puts(&path, criterion);
		value = json_path_get(tree, path.data);
		buffer_free(&path);
	}
	return value;
}

static bool
is_number(json_object *value)
{
	return json_object_is_type(value, json_type_int) ||
		   json_object_is_type(value, json_type_double);
}

/*
 * Compare values: below, equal to or above zero as the row's value is less than, equal to or more
 * than the asked.
 */
static int
compare_values(json_object *value, json_object *asked)
{
	double difference;

	if (!is_number(value))
		return strcmp(json_object_get_string(value), json_object_get_string(asked));
	difference = json_object_get_double(value) - strtod(json_object_get_string(asked), NULL);
	return difference < 0 ? -1 : difference > 0;
}

static bool
compare_one(Operator operator, json_object * value, json_object *asked)
{
	switch (operator)
	{
		case OPERATOR_EQ:
		case OPERATOR_NEQ:
			return strcmp(json_object_get_string(value), json_object_get_string(asked)) == 0;
		case OPERATOR_GT:
			return compare_values(value, asked) > 0;
		case OPERATOR_GTE:
			return compare_values(value, asked) >= 0;
		case OPERATOR_LT:
			return compare_values(value, asked) < 0;
		case OPERATOR_LTE:
			return compare_values(value, asked) <= 0;
		case OPERATOR_CONTAINS:
			return strcasestr(json_object_get_string(value), json_object_get_string(asked)) != NULL;
	}
	return false;
}

/* Say whether the asked value fits the row's value, or any element of it. */
static bool
fits(Operator operator, json_object * value, json_object *asked)
{
	if (value == NULL)
		return false;
	if (!json_object_is_type(value, json_type_array))
		return compare_one(operator, value, asked);
	for (size_t i = 0; i < json_object_array_length(value); i++)
	{
		json_object *element = json_object_array_get_idx(value, i);

		if (element != NULL && compare_one(operator, element, asked))
			return true;
	}
	return false;
}

static bool
is_in_segment(const Row *row, json_object *tree, const char *segment)
{
	json_object *segments;

	if (row->own == NULL)
	{
		for (uint32_t i = 0; i < lexicon_segment_count; i++)
			if (strcmp(lexicon_segments[i], segment) == 0)
				return (row->segments & (UINT32_C(1) << i)) != 0;
		return false;
	}
	segments = search_value(tree, "segments");
	for (size_t i = 0;
		 json_object_is_type(segments, json_type_array) && i < json_object_array_length(segments);
		 i++)
	{
		const char *name = json_object_get_string(json_object_array_get_idx(segments, i));

		if (name != NULL && strcmp(name, segment) == 0)
			return true;
	}
	return false;
}

static bool
holds_text(json_object *tree, const char *text)
{
	static const char *const fields[] = {
		"last_message",
		"topic",
		"preview_message.excerpt",
		"meta.nickname",
		"meta.email",
		"meta.phone",
		"meta.subject",
		"email",
		"person.nickname",
		"person.phone",
		"person.description",
		"company.name",
		"notepad",
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
	{
		const char *value = json_path_string(tree, fields[i]);

		if (value != NULL && strcasestr(value, text) != NULL)
			return true;
	}
	return false;
}

static bool
condition_names_segments(const Condition *condition)
{
	return strcmp(condition->criterion, "segments") == 0 ||
		   strcmp(condition->criterion, "meta.segments") == 0;
}

/*
 * Say whether a condition is on segments, which generated rows have in the row itself: no text is
 * needed for them.
 */
static bool
condition_is_segment(const Condition *condition)
{
	return condition->operator<= OPERATOR_NEQ && condition_names_segments(condition);
}

/*
 * Say whether the row has one of the asked values, or all, or the first, as the search takes them.
 */
static bool
condition_fits(const Search *search, const Condition *condition, const Row *row, json_object *tree)
{
	size_t count = json_object_array_length(condition->values);
	bool   by_segment = condition_is_segment(condition);
	bool   found = false;

	if (search->values == VALUES_FIRST && count > 1)
		count = 1;
	for (size_t i = 0; i < count; i++)
	{
		json_object *asked = json_object_array_get_idx(condition->values, i);

		if (asked == NULL)
			found = false;
		else if (by_segment)
			found = is_in_segment(row, tree, json_object_get_string(asked));
		else
			found = fits(condition->operator, search_value(tree, condition->criterion), asked);
		if (found != (search->values == VALUES_ALL))
			break;
	}
	return found;
}

static bool
condition_holds(const Search *search, const Condition *condition, const Row *row, json_object *tree)
{
	if (search->without_segments && condition_names_segments(condition))
		return true;
	return condition_fits(search, condition, row, tree) != (condition->operator== OPERATOR_NEQ);
}

bool
search_has_segments(const Search *search)
{
	for (size_t i = 0; i < search->condition_count; i++)
		if (condition_names_segments(&search->conditions[i]))
			return true;
	return false;
}

void
search_ignore_segments(Search *search)
{
	search->without_segments = true;
}

static bool
needs_tree(const Search *search, const Row *row)
{
	if (row->own != NULL || search->text != NULL)
		return true;
	for (size_t i = 0; i < search->condition_count; i++)
		if (!condition_is_segment(&search->conditions[i]))
			return true;
	return false;
}

static bool
matches_one(const Search *search, const Row *row, json_object *tree)
{
	if (search->text != NULL)
		return holds_text(tree, search->text);
	if (search->segment != NULL)
		return is_in_segment(row, tree, search->segment);
	for (size_t i = 0; i < search->condition_count; i++)
		if (condition_holds(search, &search->conditions[i], row, tree) == search->any)
			return search->any;
	return !search->any || search->condition_count == 0;
}

/* Say whether the text stands in JSON as it is, however the row is escaped. */
static bool
is_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < 0x20 || *text > 0x7E || *text == '"' || *text == '\\')
			return false;
	return true;
}

/*
 * Return false when the row's text shows that the condition, which asks for equality, cannot hold.
 */
static bool
condition_possible(const Condition *condition, const char *text)
{
	if (condition->operator!= OPERATOR_EQ || condition_is_segment(condition))
		return true;
	for (size_t i = 0; i < json_object_array_length(condition->values); i++)
	{
		const char *asked = json_object_get_string(json_object_array_get_idx(condition->values, i));

		if (asked != NULL && (!is_plain(asked) || strstr(text, asked) != NULL))
			return true;
	}
	return false;
}

/* Return false when a glance at the row's text is enough: most rows need not be parsed then. */
static bool
search_possible(const Search *search, const char *text)
{
	if (search->text != NULL)
		return !is_plain(search->text) || strcasestr(text, search->text) != NULL;
	for (size_t i = 0; i < search->condition_count; i++)
		if (condition_possible(&search->conditions[i], text) == search->any)
			return search->any;
	return !search->any || search->condition_count == 0;
}

static bool
matches_text(const Search *search, const Collection *collection, uint32_t id)
{
	const Row *row = &collection->rows[id];
	Buffer	   text = {0};
	JsonWriter writer = {&text, false, false};
	bool	   matches = false;

	collection_write(collection, id, &writer);
	if (row->own != NULL || search_possible(search, text.data))
	{
		json_object *tree = json_parse(text.data, text.len);

		matches = matches_one(search, row, tree);
		json_object_put(tree);
	}
	buffer_free(&text);
	return matches;
}

bool
search_matches(const Search *search, const Collection *collection, uint32_t id)
{
	const Row *row = &collection->rows[id];
	bool	   matches = true;

	for (; search != NULL && matches; search = search->next)
	{
		if (needs_tree(search, row))
			matches = matches_text(search, collection, id);
		else
			matches = matches_one(search, row, NULL);
	}
	return matches;
}

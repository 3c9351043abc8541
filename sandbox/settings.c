/*
 * settings.c
 *		Set how the server behaves where the API page leaves it open.
 *
 * The table "known" has all settings.
 */
#include "settings.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* One setting: where it is kept, and which values it takes. */
typedef struct Setting
{
	const char		  *name;
	size_t			   offset;
	uint32_t		   start; /* its value at the start */
	const char *const *words; /* with NULL at their end; NULL: it takes numbers ... */
	uint32_t		   low;	  /* ... from this ... */
	uint32_t		   high;  /* ... to this */
	bool			   nullable;
} Setting;

/* A word of digits stands for a number, true and false for themselves. */
#define WORDS(...)        \
	(const char *const[]) \
	{                     \
		__VA_ARGS__, NULL \
	}
#define FLAG WORDS("false", "true")
#define AT(member) offsetof(Settings, member)

static const Setting known[] = {
	{"latency_ms", AT(latency_ms), 0, NULL, 0, 3600000, false},
	{"quiet_ms", AT(quiet_ms), 0, NULL, 0, 3600000, false},
	{"data", AT(untidy), 0, WORDS("tidy", "ugly"), 0, 0, false},
	{"default_order", AT(default_order), ORDER_STATE,
	 WORDS("state", "updated", "created", "insertion", "random", "none"), 0, 0, false},
	{"waiting_order", AT(waiting_order), WAITING_LONGEST_FIRST, WORDS("longest", "newest"), 0, 0,
	 false},
	{"waiting_order_filters", AT(waiting_order_filters), 1, WORDS("nothing", "waiting"), 0, 0,
	 false},
	{"date_bounds", AT(date_bounds), BOUNDS_INCLUSIVE,
	 WORDS("inclusive", "exclusive", "start", "end"), 0, 0, false},
	{"past_end", AT(past_end), 0, WORDS("empty", "not_found"), 0, 0, false},
	{"full_last_page", AT(full_last_page), 200, WORDS("200", "206"), 0, 0, false},
	{"list_per_page", AT(list_per_page), 20, NULL, 1, 10000, false},
	{"visitors_per_page", AT(visitors_per_page), 20, NULL, 1, 10000, false},
	{"visitors_limited", AT(visitors_limited), 0, FLAG, 0, 0, false},
	{"plain_inbox", AT(main_inbox_alone), 0, WORDS("all", "main"), 0, 0, false},
	{"inbox_all", AT(inbox_all), INBOX_ALL_KNOWN, WORDS("known", "unknown", "ignored", "refused"),
	 0, 0, false},
	{"unassign_body", AT(unassign_body), UNASSIGN_EITHER,
	 WORDS("either", "user_id", "assigned", "neither"), 0, 0, false},
	{"honour_order", AT(honour_order), HONOURED, FLAG, 0, 0, false},
	{"honour_sort", AT(honour_sort), HONOURED, WORDS("false", "true", "refused"), 0, 0, false},
	{"honour_filters", AT(honour_filters), HONOURED, WORDS("false", "true", "dates"), 0, 0, false},
	{"honour_dates", AT(honour_dates), HONOURED, FLAG, 0, 0, false},
	{"honour_search", AT(honour_search), HONOURED, FLAG, 0, 0, false},
	{"segments_filter", AT(segments_filter), SEGMENTS_HONOURED,
	 WORDS("honoured", "ignored", "refused"), 0, 0, false},
	{"filter_values", AT(filter_values), VALUES_ANY, WORDS("any", "all", "first", "refused"), 0, 0,
	 false},
	{"blocked", AT(one_blocked), 0, WORDS("list", "object"), 0, 0, false},
	{"subscriptions", AT(own_subscriptions), 0, WORDS("all", "own"), 0, 0, false},
	{"messages_per_page", AT(messages_per_page), 20, NULL, 1, 10000, false},
	{"message_bounds", AT(messages_inclusive), 0, WORDS("exclusive", "inclusive"), 0, 0, false},
	{"message_chosen", AT(oldest_message), 0, WORDS("newest", "oldest"), 0, 0, false},
	{"write_success", AT(write_success), SUCCESS_USUAL, WORDS("usual", "accepted", "partial"), 0, 0,
	 false},
	{"failure_data", AT(failures_bare), 0, WORDS("message", "empty"), 0, 0, false},
	{"email_case", AT(email_case), 0, WORDS("ignored", "kept"), 0, 0, false},
	{"email_reuse", AT(email_reuse), 0, WORDS("refused", "taken"), 0, 0, false},
	{"nulls", AT(nulls_refused), 0, WORDS("removed", "refused"), 0, 0, false},
	{"meta_data", AT(meta_data_merged), 0, WORDS("replaced", "merged"), 0, 0, false},
	{"unknown_inbox", AT(unknown_inbox), 0, WORDS("refused", "taken"), 0, 0, false},
	{"event_timestamp", AT(event_time_ignored), 0, WORDS("taken", "ignored"), 0, 0, false},
	{"below_order", AT(oldest_below_first), 0, WORDS("newest", "oldest"), 0, 0, false},
	{"unknown_statistics", AT(unknown_statistics), STATISTICS_REFUSED,
	 WORDS("refused", "not_found", "empty"), 0, 0, false},
	{"honour_statistics_size", AT(honour_statistics_size), HONOURED, FLAG, 0, 0, false},
	{"batch_limit", AT(batch_limit), UINT32_MAX, NULL, 1, 1000000, true},
	{"batch_gone", AT(batch_gone_refused), 0, WORDS("left_out", "not_found"), 0, 0, false},
	{"batch_adds", AT(batch_adds), 0, FLAG, 0, 0, false},
	{"batch_unassign_body", AT(batch_unassign_body), UNASSIGN_EITHER,
	 WORDS("either", "user_id", "assigned", "neither"), 0, 0, false},
	{"quota", AT(quota), NO_QUOTA, NULL, 0, 1000000000, true},
	{"quota_status", AT(quota_status), 423, WORDS("423", "422", "420", "429"), 0, 0, false},
	{"gzip", AT(gzip), 0, FLAG, 0, 0, false},
};

#define SETTING_COUNT (sizeof(known) / sizeof(known[0]))

static uint32_t *
place_of(Settings *settings, const Setting *setting)
{
	return (uint32_t *) ((char *) settings + setting->offset);
}

void
settings_start(Settings *settings, uint32_t latency_ms, bool untidy)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
		*place_of(settings, &known[i]) = known[i].start;
	settings->latency_ms = latency_ms;
	settings->untidy = untidy;
	settings->version++;
}

/* Return what a word stands for: its place among the others, or its number. */
static uint32_t
word_value(const Setting *setting, size_t place)
{
	const char *word = setting->words[place];

	return *word >= '0' && *word <= '9' ? (uint32_t) strtoul(word, NULL, 10) : (uint32_t) place;
}

/* Say whether the word stands in JSON without quotes. */
static bool
is_bare(const char *word)
{
	return (*word >= '0' && *word <= '9') || strcmp(word, "true") == 0 ||
		   strcmp(word, "false") == 0;
}

static bool
take_word(const Setting *setting, json_object *value, uint32_t *target)
{
	bool bare = json_object_is_type(value, json_type_boolean) ||
				json_object_is_type(value, json_type_int);

	if (!bare && !json_object_is_type(value, json_type_string))
		return false;
	for (size_t i = 0; setting->words[i] != NULL; i++)
		if (is_bare(setting->words[i]) == bare &&
			strcmp(setting->words[i], json_object_get_string(value)) == 0)
		{
			*target = word_value(setting, i);
			return true;
		}
	return false;
}

static bool
take_number(const Setting *setting, json_object *value, uint32_t *target)
{
	if (value == NULL && setting->nullable)
	{
		*target = UINT32_MAX;
		return true;
	}
	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < setting->low ||
		json_object_get_int64(value) > setting->high)
		return false;
	*target = (uint32_t) json_object_get_int64(value);
	return true;
}

/* Write "a must be x, y or z", or "a must be from 1 to 9". */
static void
tell_values(const Setting *setting, Buffer *error)
{
	buffer_printf(error, "%s must be ", setting->name);
	if (setting->words == NULL)
	{
		buffer_printf(error, "from %u to %u", setting->low, setting->high);
		if (setting->nullable)
			buffer_puts(error, ", or null");
		return;
	}
	for (size_t i = 0; setting->words[i] != NULL; i++)
	{
		if (i > 0)
			buffer_puts(error, setting->words[i + 1] != NULL ? ", " : " or ");
		buffer_puts(error, setting->words[i]);
	}
}

bool
settings_set(Settings *settings, const char *name, json_object *value, Buffer *error)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
	{
		const Setting *setting = &known[i];
		uint32_t	  *target = place_of(settings, setting);

		if (strcmp(setting->name, name) != 0)
			continue;
		if (setting->words != NULL ? take_word(setting, value, target)
								   : take_number(setting, value, target))
		{
			settings->version++;
			return true;
		}
		tell_values(setting, error);
		return false;
	}
	buffer_puts(error, "unknown member");
	return false;
}

static void
write_value(const Setting *setting, uint32_t value, JsonWriter *writer)
{
	if (setting->words == NULL && setting->nullable && value == UINT32_MAX)
	{
		jw_null(writer);
		return;
	}
	if (setting->words == NULL)
	{
		jw_int(writer, value);
		return;
	}
	for (size_t i = 0; setting->words[i] != NULL; i++)
		if (word_value(setting, i) == value)
		{
			if (is_bare(setting->words[i]))
				jw_raw(writer, setting->words[i], strlen(setting->words[i]));
			else
				jw_string(writer, setting->words[i]);
		}
}

void
settings_write(const Settings *settings, JsonWriter *writer)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
	{
		jw_key(writer, known[i].name);
		write_value(&known[i], *place_of((Settings *) settings, &known[i]), writer);
	}
}

bool
settings_have_filters(const Settings *settings)
{
	return settings->honour_filters == HONOURED;
}

bool
settings_have_dates(const Settings *settings)
{
	return settings->honour_filters != IGNORED && settings->honour_dates;
}

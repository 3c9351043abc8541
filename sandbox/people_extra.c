/*
 * people_extra.c
 *		Keep what was written about people apart from their profiles: data, events, subscriptions.
 *
 * It's an object by the number of the profile's row, with the members "data", "events", an array,
 * and "subscription".
 */
#include "people_extra.h"

#include <stdio.h>

#include "json_path.h"
#include "people.h"

/* Return what is kept of a profile; NULL for nothing, unless it's to be made. */
static json_object *
find_extra(const Website *website, uint32_t id, bool make)
{
	char		 key[16];
	json_object *extra;

	snprintf(key, sizeof(key), "%u", id);
	extra = json_object_object_get(website->people_extra, key);
	if (extra == NULL && make)
	{
		Website *changed = (Website *) website;

		if (changed->people_extra == NULL)
			changed->people_extra = json_object_new_object();
		extra = json_object_new_object();
		json_object_object_add(changed->people_extra, key, extra);
	}
	return extra;
}

json_object *
people_extra_written(const Website *website, uint32_t id, const char *what)
{
	return json_object_object_get(find_extra(website, id, false), what);
}

void
people_extra_set(Website *website, uint32_t id, const char *what, json_object *value)
{
	json_object_object_add(find_extra(website, id, true), what, value);
}

void
people_extra_set_data(Website *website, uint32_t id, json_object *data)
{
	people_extra_set(website, id, "data", data);
}

json_object *
people_extra_data(Website *website, uint32_t id)
{
	json_object *data = people_extra_written(website, id, "data");
	Buffer		 text = {0};
	JsonWriter	 writer = {&text, false, false};

	if (data != NULL)
		return data;
	people_write_data(website, id, &writer);
	data = json_parse(text.data, text.len);
	buffer_free(&text);
	people_extra_set_data(website, id, data);
	return data;
}

/* Return the events that were written of a profile, ready to take one more. */
static json_object *
written_events(Website *website, uint32_t id)
{
	json_object *extra = find_extra(website, id, true);
	json_object *events = json_object_object_get(extra, "events");

	if (events == NULL)
	{
		events = json_object_new_array();
		json_object_object_add(extra, "events", events);
	}
	return events;
}

void
people_extra_add_event(Website *website, uint32_t id, json_object *event)
{
	json_object_array_add(written_events(website, id), event);
}

void
people_extra_begin(Website *website, uint32_t id)
{
	people_extra_set_data(website, id, json_object_new_object());
	json_object_object_add(find_extra(website, id, true), "bare", json_object_new_boolean(true));
}

/*
 * people_extra.h
 *		Keep what was written about people apart from their profiles: data, events, subscriptions.
 */
#ifndef SANDBOX_PEOPLE_EXTRA_H
#define SANDBOX_PEOPLE_EXTRA_H

#include <json-c/json.h>

#include "dataset.h"

/* Let a profile that was just made have no data and no events. */
extern void people_extra_begin(Website *website, uint32_t id);

/* Return the data of a profile, ready to be changed; set it anew (taken over). */
extern json_object *people_extra_data(Website *website, uint32_t id);
extern void			people_extra_set_data(Website *website, uint32_t id, json_object *data);

/* Add an event (taken over). */
extern void people_extra_add_event(Website *website, uint32_t id, json_object *event);

/* Keep the member "what" of a profile (taken over). */
extern void people_extra_set(Website *website, uint32_t id, const char *what, json_object *value);

/*
 * Return the "data", the "events" in the order they came, or the "subscription" that were written;
 * NULL for none.
 */
extern json_object *people_extra_written(const Website *website, uint32_t id, const char *what);

#endif /* SANDBOX_PEOPLE_EXTRA_H */

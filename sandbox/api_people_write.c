/*
 * api_people_write.c
 *		Answer changes of people: profiles, their data, events and subscriptions.
 */
#include <string.h>

#include "body.h"
#include "json_path.h"
#include "patch.h"
#include "people.h"
#include "people_extra.h"
#include "written.h"

#define GEOLOCATION(parent)                                                                    \
	{parent ".geolocation.country", BODY_STRING}, {parent ".geolocation.region", BODY_STRING}, \
		{parent ".geolocation.city", BODY_STRING},                                             \
		{parent ".geolocation.coordinates.latitude", BODY_NUMBER},                             \
	{                                                                                          \
		parent ".geolocation.coordinates.longitude", BODY_NUMBER                               \
	}

static const BodyField profile_fields[] = {
	{"email", BODY_STRING},
	{"person.nickname", BODY_STRING},
	{"person.avatar", BODY_STRING},
	{"person.gender", BODY_STRING},
	{"person.phone", BODY_STRING},
	{"person.address", BODY_STRING},
	{"person.description", BODY_STRING},
	{"person.website", BODY_STRING},
	{"person.timezone", BODY_NUMBER},
	{"person.profiles", BODY_OBJECTS},
	{"person.employment.name", BODY_STRING},
	{"person.employment.domain", BODY_STRING},
	{"person.employment.title", BODY_STRING},
	{"person.employment.role", BODY_STRING},
	{"person.employment.seniority", BODY_STRING},
	GEOLOCATION("person"),
	{"person.locales", BODY_STRINGS},
	{"company.name", BODY_STRING},
	{"company.legal_name", BODY_STRING},
	{"company.domain", BODY_STRING},
	{"company.url", BODY_STRING},
	{"company.description", BODY_STRING},
	{"company.timezone", BODY_NUMBER},
	{"company.phones", BODY_STRINGS},
	{"company.emails", BODY_STRINGS},
	GEOLOCATION("company"),
	{"company.metrics.employees", BODY_NUMBER},
	{"company.metrics.market_cap", BODY_NUMBER},
	{"company.metrics.raised", BODY_NUMBER},
	{"company.metrics.arr", BODY_NUMBER},
	{"company.tags", BODY_STRINGS},
	{"segments", BODY_STRINGS},
	{"notepad", BODY_STRING},
	{"active", BODY_NUMBER},
	{NULL, 0},
};

static const BodyField data_fields[] = {{"data", BODY_DATA}, {NULL, 0}};

static const BodyField event_fields[] = {
	{"text", BODY_STRING},
	{"data", BODY_OBJECT},
	{"color", BODY_STRING},
	{"timestamp", BODY_NUMBER},
	{NULL, 0},
};

static const BodyField subscription_fields[] = {{"email", BODY_BOOLEAN}, {NULL, 0}};

/* What a change works on. */
typedef struct Profile
{
	Collection	*people;
	uint32_t	 id;   /* NO_ROW when the reply is an error already */
	json_object *body; /* NULL for none */
} Profile;

/*
 * Take the profile that the path names, and the body, which must have these fields; what is wrong
 * is answered.
 */
static Profile
open_profile(Call *call, const BodyField *fields, bool nulls)
{
	Profile profile = {.people = &call->website->lists[RESOURCE_PEOPLE]};

	profile.body = json_parse(call->request->body.data, call->request->body.len);
	profile.id = call_profile(call);
	if (profile.id != NO_ROW && written_refuses(call, body_check(profile.body, fields, nulls)))
		profile.id = NO_ROW;
	call->sandbox->dataset.dirty = true;
	return profile;
}

static void
close_profile(Profile *profile)
{
	json_object_put(profile->body);
}

/* Crisp takes active as a number, and gives it as an object [seen]. */
static void
convert_active(json_object *tree)
{
	json_object *active = json_object_object_get(tree, "active");
	json_object *object;

	if (!json_object_is_type(active, json_type_int) &&
		!json_object_is_type(active, json_type_double))
		return;
	object = json_object_new_object();
	json_object_object_add(object, "now", json_object_new_boolean(false));
	json_object_object_add(object, "last", json_object_new_int64(json_object_get_int64(active)));
	json_object_object_add(tree, "active", object);
}

/* Store a profile, as NO_ROW a new one, with the time of its change; return its row id. */
static uint32_t
store_profile(Collection *people, uint32_t id, json_object *tree, int64_t now)
{
	size_t		len;
	const char *text;

	convert_active(tree);
	json_object_object_add(tree, "updated_at", json_object_new_int64(now));
	text = json_text(tree, &len);
	return collection_set_text(people, id, text, len, false);
}

/*
 * Say whether another profile has the e-mail address of a body; "other" is the one that may.
 */
static bool
is_taken(const Call *call, json_object *body, uint32_t other)
{
	const Collection *people = &call->website->lists[RESOURCE_PEOPLE];
	const char		 *email = json_path_string(body, "email");
	bool			  exact = call->sandbox->settings.email_case;
	uint32_t		  id;

	if (email == NULL || *email == '\0')
		return false;
	id = people_find_email(people, email, exact);
	return id != NO_ROW && id != other;
}

void
post_profile(Call *call)
{
	Collection	*people = &call->website->lists[RESOURCE_PEOPLE];
	json_object *body = json_parse(call->request->body.data, call->request->body.len);
	const char	*problem = body_check(body, profile_fields, false);

	if (problem == NULL && (json_path_string(body, "email") == NULL ||
							json_path_string(body, "person.nickname") == NULL))
		problem = "email and person.nickname are required";
	if (problem == NULL && strchr(json_path_string(body, "email"), '@') == NULL)
		problem = "email must be an e-mail address";
	if (written_refuses(call, problem))
		;
	else if (is_taken(call, body, NO_ROW))
		written_error(call, 409, "people_exists", "A profile has this e-mail address already");
	else
	{
		int64_t		 now = next_moment(people);
		json_object *tree = json_object_new_object();
		char		 people_id[UUID_SIZE];
		uint32_t	 id;
		JsonWriter	 writer;

		random_uuid(people->seed, (uint32_t) people->row_count, people_id);
		json_object_object_add(tree, "people_id", json_object_new_string(people_id));
		body_merge(tree, body);
		json_object_object_add(tree, "created_at", json_object_new_int64(now));
		id = store_profile(people, NO_ROW, tree, now);
		json_object_put(tree);
		people_extra_begin(call->website, id);
		call->sandbox->dataset.dirty = true;
		writer = written_begin(call, 201, "added");
		jw_begin(&writer, '{');
		jw_put_string(&writer, "people_id", people_id);
		jw_end(&writer, '}');
		reply_end(&writer);
	}
	json_object_put(body);
}

/* Carry out a change of a profile: merge the body into it, or put that in its place. */
static void
change_profile(Call *call, bool replace)
{
	Profile profile = open_profile(call, profile_fields, !call->sandbox->settings.nulls_refused);
	json_object *tree;

	if (profile.id != NO_ROW && !call->sandbox->settings.email_reuse &&
		is_taken(call, profile.body, profile.id))
	{
		written_error(call, 409, "people_exists", "A profile has this e-mail address already");
		profile.id = NO_ROW;
	}
	if (profile.id != NO_ROW)
	{
		tree = collection_tree(profile.people, profile.id);
		if (replace)
			for (const char *const *name =
					 (const char *const[]){"email", "person", "company", "segments", "notepad",
										   "active", NULL};
				 *name != NULL; name++)
				json_object_object_del(tree, *name);
		body_merge(tree, profile.body);
		store_profile(profile.people, profile.id, tree, next_moment(profile.people));
		json_object_put(tree);
		written_done(call, "updated");
	}
	close_profile(&profile);
}

void
patch_profile(Call *call)
{
	change_profile(call, false);
}

void
put_profile(Call *call)
{
	change_profile(call, true);
}

void
delete_profile(Call *call)
{
	uint32_t id = call_profile(call);

	if (id == NO_ROW)
		return;
	collection_delete(&call->website->lists[RESOURCE_PEOPLE], id);
	call->sandbox->dataset.dirty = true;
	written_done(call, "deleted");
}

/* Carry out a change of custom data: merge the body into it, or put that in its place. */
static void
change_data(Call *call, bool replace)
{
	Profile		 profile = open_profile(call, data_fields, false);
	json_object *data = json_path_get(profile.body, "data");

	if (profile.id != NO_ROW && data == NULL)
	{
		written_error(call, 400, "invalid_data", "data is required");
		profile.id = NO_ROW;
	}
	if (profile.id != NO_ROW)
	{
		json_object *kept = people_extra_data(call->website, profile.id);

		if (replace)
		{
			kept = json_object_new_object();
			people_extra_set_data(call->website, profile.id, kept);
		}
		body_merge(kept, data);
		touch_row(profile.people, profile.id, next_moment(profile.people));
		written_done(call, "updated");
	}
	close_profile(&profile);
}

void
patch_people_data(Call *call)
{
	change_data(call, false);
}

void
put_people_data(Call *call)
{
	change_data(call, true);
}

void
post_people_event(Call *call)
{
	Profile profile = open_profile(call, event_fields, false);

	if (profile.id != NO_ROW && json_path_string(profile.body, "text") == NULL)
		written_error(call, 400, "invalid_data", "text is required");
	else if (profile.id != NO_ROW)
	{
		json_object *event = NULL;
		bool		 counts = !call->sandbox->settings.event_time_ignored;

		json_object_deep_copy(profile.body, &event, NULL);
		if (!counts || json_path_get(event, "timestamp") == NULL)
			json_object_object_add(event, "timestamp",
								   json_object_new_int64(next_moment(profile.people)));
		people_extra_add_event(call->website, profile.id, event);
		touch_row(profile.people, profile.id, next_moment(profile.people));
		written_done(call, "added");
	}
	close_profile(&profile);
}

void
patch_people_subscription(Call *call)
{
	Profile profile = open_profile(call, subscription_fields, false);

	if (profile.id != NO_ROW && json_path_get(profile.body, "email") == NULL)
		written_error(call, 400, "invalid_data", "email is required");
	else if (profile.id != NO_ROW)
	{
		people_extra_set(call->website, profile.id, "subscription", json_object_get(profile.body));
		written_done(call, "updated");
	}
	close_profile(&profile);
}

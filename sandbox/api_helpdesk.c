/*
 * api_helpdesk.c
 *		Answer routes of the helpdesk.
 */
#include "filtered.h"
#include "helpdesk.h"
#include "parameters.h"

void
list_locales(Call *call)
{
	answer_plainly(call, RESOURCE_LOCALES, call->sandbox->settings.list_per_page);
}

void
get_locale(Call *call)
{
	int locale = helpdesk_locale(call->website, call->arguments[0]);

	answer_row(call, RESOURCE_LOCALES,
			   locale < 0 ? call->arguments[0] : helpdesk_locale_name(locale),
			   "This locale does not exist");
}

void
list_redirections(Call *call)
{
	answer_plainly(call, RESOURCE_REDIRECTIONS, call->sandbox->settings.list_per_page);
}

/* What a list of pages or feedback was asked for. */
typedef struct HelpdeskFilter
{
	int			locale;
	ContentType type;
	ListRequest bounds;
} HelpdeskFilter;

static bool
helpdesk_passes(const Collection *collection, const Row *row, json_object *tree, const void *filter)
{
	const HelpdeskFilter *wanted = filter;
	int64_t				  created = row->times[SORT_CREATED];

	(void) collection;
	(void) tree;
	if (wanted->bounds.has_bounds &&
		(created == NO_TIME || created < wanted->bounds.start || created > wanted->bounds.end))
		return false;
	return helpdesk_locale_of(row) == wanted->locale &&
		   helpdesk_content_type_of(row) == wanted->type;
}

/* Read locale and content type of the path; false when the reply is an error already. */
static bool
read_list(Call *call, HelpdeskFilter *filter)
{
	filter->locale = helpdesk_locale(call->website, call->arguments[0]);
	filter->type = helpdesk_content_type(call->arguments[1]);
	if (filter->type == CONTENT_COUNT)
		reply_error(call->reply, 400, "invalid_data", "There is no such content type");
	else if (filter->locale < 0)
		reply_error(call->reply, 404, "not_found", "This locale does not exist");
	else
		return true;
	return false;
}

void
list_pages(Call *call)
{
	HelpdeskFilter filter = {0};

	if (read_list(call, &filter))
		answer_filtered(call, RESOURCE_PAGES, call->arguments[2], NULL, helpdesk_passes, &filter);
}

void
list_feedback(Call *call)
{
	HelpdeskFilter filter = {.bounds = {.bounded = SORT_CREATED}};
	const char	  *error = NULL;

	if (!read_list(call, &filter))
		return;
	listing_read_bounds(call->request, &call->sandbox->settings, &filter.bounds, &error);
	answer_filtered(call, RESOURCE_FEEDBACK, call->arguments[2], error, helpdesk_passes, &filter);
}

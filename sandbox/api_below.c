/*
 * api_below.c
 *		Answer routes of the lists that lie below conversations, campaigns and profiles.
 */
#include "below.h"
#include "parameters.h"
#include "people.h"
#include "route.h"

/* Answer with a page of the list of this name, and that word or NULL, below a row. */
static void
answer_below(Call *call, const char *name, const char *word, uint32_t owner, const char *page,
			 uint32_t per_page)
{
	const Settings	 *settings = &call->sandbox->settings;
	Collection		  scratch = {0};
	const Collection *rows;
	const RowIndex	 *index;
	const char		 *error = NULL;
	uint64_t		  number;

	parameter_page(page, &number, &error);
	if (error != NULL)
	{
		reply_error(call->reply, 400, "invalid_data", error);
		return;
	}
	rows = website_below(call->website, below_find(name, word), owner, &scratch);
	index = collection_index(rows, listing_true_order(rows), true);
	listing_reply(call->reply, settings, rows,
				  &(Selection){index->ids, index->count, settings->oldest_below_first}, number,
				  per_page);
	collection_free(&scratch);
}

/* Answer with a page of a list below the conversation that the path names. */
static void
list_below_conversation(Call *call, const char *name)
{
	uint32_t conversation = call_conversation(call);

	if (conversation != NO_ROW)
		answer_below(call, name, NULL, conversation, call->arguments[1],
					 call->sandbox->settings.list_per_page);
}

void
list_conversation_events(Call *call)
{
	list_below_conversation(call, conversation_event_type.name);
}

void
list_conversation_pages(Call *call)
{
	list_below_conversation(call, conversation_page_type.name);
}

void
list_conversation_files(Call *call)
{
	list_below_conversation(call, conversation_file_type.name);
}

void
list_people_campaigns(Call *call)
{
	uint32_t profile = call_profile(call);

	if (profile != NO_ROW)
		answer_below(call, people_campaign_type.name, NULL, profile, call->arguments[1],
					 call->sandbox->settings.list_per_page);
}

void
list_campaign_recipients(Call *call)
{
	uint32_t campaign = call_campaign(call);

	if (campaign != NO_ROW)
		answer_below(call, campaign_recipient_type.name, NULL, campaign, call->arguments[1],
					 call->sandbox->settings.list_per_page);
}

static void
answer_nothing(Call *call)
{
	JsonWriter writer = reply_begin(call->reply, 200, "listed");

	jw_begin(&writer, '[');
	jw_end(&writer, ']');
	reply_end(&writer);
	call->reply->rows = 0;
}

void
list_campaign_statistics(Call *call)
{
	const Settings *settings = &call->sandbox->settings;
	uint32_t		campaign = call_campaign(call);
	uint32_t		per_page = settings->list_per_page;
	uint32_t		asked = per_page;
	const char	   *error = NULL;

	if (campaign == NO_ROW)
		return;
	parameter_per_page(call->request, &asked, &error);
	if (error != NULL)
		reply_error(call->reply, 400, "invalid_data", error);
	else if (below_find(campaign_opened_type.name, call->arguments[1]) != NULL)
		answer_below(call, campaign_opened_type.name, call->arguments[1], campaign,
					 call->arguments[2], settings->honour_statistics_size ? asked : per_page);
	else if (settings->unknown_statistics == STATISTICS_EMPTY)
		answer_nothing(call);
	else if (settings->unknown_statistics == STATISTICS_NOT_FOUND)
		reply_error(call->reply, 404, "not_found", "There are no statistics of this type");
	else
		reply_error(call->reply, 400, "invalid_data", "There are no statistics of this type");
}

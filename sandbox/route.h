/*
 * route.h
 *		Route what follows /v1/ to who answers it.
 */
#ifndef SANDBOX_ROUTE_H
#define SANDBOX_ROUTE_H

#include "sandbox.h"

#define MAX_ROUTE_ARGUMENTS 4

/* What a handler is called with.  The reply is empty, and is to be filled. */
typedef struct Call
{
	Sandbox		  *sandbox;
	Website		  *website; /* NULL on routes without one */
	const Request *request;
	char		  *arguments[MAX_ROUTE_ARGUMENTS]; /* decoded parts of the path after the website */
	Reply		  *reply;
} Call;

/* Answer a request whose path begins with /v1/. */
extern void route_request(Sandbox *sandbox, const Request *request, Reply *reply);

/* Handlers, by the file that has them. */
/* Find the row that the path names first; NO_ROW when the reply is an error already. */
extern uint32_t call_conversation(Call *call);
extern uint32_t call_campaign(Call *call);

/*
 * Set members of a conversation (an object of dotted path to value, taken over) as an operator's
 * action does, which updates it, and answer.
 */
extern void update_conversation(Call *call, uint32_t id, json_object *set);

extern void list_conversations(Call *call);
extern void get_conversation(Call *call);
extern void patch_state(Call *call);
extern void patch_routing(Call *call);

extern void patch_batch(Call *call);

extern void post_conversation(Call *call);
extern void patch_meta(Call *call);
extern void patch_inbox(Call *call);
extern void patch_block(Call *call);
extern void patch_verify(Call *call);
extern void put_participants(Call *call);
extern void delete_conversation(Call *call);

extern void list_messages(Call *call);
extern void get_message(Call *call);
extern void post_message(Call *call);
extern void patch_message(Call *call);
extern void delete_message(Call *call);

/*
 * Find the profile that the path names by id or e-mail; NO_ROW when the reply is an error already.
 */
extern uint32_t call_profile(Call *call);

extern void list_people(Call *call);
extern void get_people(Call *call);
extern void get_people_stats(Call *call);
extern void get_people_data(Call *call);
extern void list_people_conversations(Call *call);
extern void list_people_events(Call *call);

extern void post_profile(Call *call);
extern void patch_profile(Call *call);
extern void put_profile(Call *call);
extern void delete_profile(Call *call);
extern void patch_people_data(Call *call);
extern void put_people_data(Call *call);
extern void post_people_event(Call *call);
extern void patch_people_subscription(Call *call);

extern void get_people_subscription(Call *call);

extern void list_conversation_events(Call *call);
extern void list_conversation_pages(Call *call);
extern void list_conversation_files(Call *call);
extern void list_people_campaigns(Call *call);
extern void list_campaign_recipients(Call *call);
extern void list_campaign_statistics(Call *call);

extern void suggest_conversation_data(Call *call);
extern void suggest_conversation_segments(Call *call);
extern void suggest_people_data(Call *call);
extern void suggest_people_segments(Call *call);
extern void suggest_people_events(Call *call);

extern void list_visitors(Call *call);
extern void count_visitors(Call *call);
extern void list_operators(Call *call);
extern void list_campaigns(Call *call);
extern void get_campaign(Call *call);
extern void list_inboxes(Call *call);
extern void get_website(Call *call);

extern void list_locales(Call *call);
extern void get_locale(Call *call);
extern void list_pages(Call *call);
extern void list_feedback(Call *call);
extern void list_redirections(Call *call);

extern void list_spams(Call *call);
extern void list_active_operators(Call *call);
extern void list_availabilities(Call *call);
extern void get_availability(Call *call);
extern void list_teams(Call *call);
extern void get_team(Call *call);
extern void list_templates(Call *call);
extern void get_template(Call *call);
extern void list_blocked(Call *call);
extern void list_all_subscriptions(Call *call);
extern void list_subscriptions(Call *call);

extern void get_plugin_account(Call *call);
extern void list_plugin_websites(Call *call);
extern void get_user_account(Call *call);

#endif /* SANDBOX_ROUTE_H */

/*-------------------------------------------------------------------------
 *
 * conversation_changes.c
 *		Describe in the catalog what can be written of conversations.
 *
 * Source of the facts: Crisp's public REST reference (v1) and the types of its
 * official client.  A new column that can be written is one line.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "resource/conversation_changes.h"

static const char *const conversation_states[] = {"pending", "unresolved", "resolved", NULL};

static const CrispField state_fields[] = {
	{"state", "state", CRISP_FIELD_REQUIRED, NULL, conversation_states},
	{NULL},
};

/*
 * To unassign, a null for either of two members is sent by clients [seen]; which Crisp takes is
 * open.
 */
static const CrispField routing_fields[] = {
	{"assigned_user_id", "assigned.user_id", .null_path = "assigned"},
	{NULL},
};

#define BATCH(operation) "PATCH", "website/{website_id}/batch/" operation, "sessions", "session_id"

/* There is none for "pending". */
static const CrispBatch state_batches[] = {
	{BATCH("resolve"), "state", "resolved"},
	{BATCH("unresolve"), "state", "unresolved"},
	{NULL},
};

static const CrispBatch routing_batches[] = {
	{BATCH("routing"), "assigned_user_id"},
	{NULL},
};

static const CrispChange conversation_updates[] = {
	{"PATCH", "website/{website_id}/conversation/{session_id}/state", true, state_fields,
	 .batches = state_batches},
	{"PATCH", "website/{website_id}/conversation/{session_id}/routing", true, routing_fields,
	 .batches = routing_batches},
	{NULL},
};

const CrispChanges crisp_conversation_changes = {
	.noun = "conversation",
	.updates = conversation_updates,
};

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
	{BATCH("routing"), "assigned_user_id", .takes_null = true},
	{NULL},
};

/* There is none for other fields. */
static const CrispBatch meta_batches[] = {
	{BATCH("segments"), "meta_segments", .adds = true},
	{BATCH("data"), "meta_data", .adds = true},
	{NULL},
};

static const CrispBatch inbox_batches[] = {
	{BATCH("inbox"), "inbox_id", .takes_null = true},
	{NULL},
};

static const CrispBatch block_batches[] = {
	{BATCH("block"), "is_blocked"},
	{NULL},
};

static const CrispBatch remove_batches[] = {
	{BATCH("remove")},
	{NULL},
};

/* Whether Crisp merges data, or puts it in place of what is there, is open. */
static const CrispField meta_fields[] = {
	{"meta_nickname", "nickname"},
	{"meta_email", "email"},
	{"meta_phone", "phone"},
	{"meta_address", "address"},
	{"meta_subject", "subject"},
	{"meta_avatar", "avatar"},
	{"meta_segments", "segments"},
	{"meta_data", "data", CRISP_FIELD_REQUIRED | CRISP_FIELD_OBJECT | CRISP_FIELD_DATA},
	{NULL},
};

/* A null is the main inbox. */
static const CrispField inbox_fields[] = {
	{"inbox_id", "inbox_id"},
	{NULL},
};

static const CrispField block_fields[] = {
	{"is_blocked", "blocked", CRISP_FIELD_REQUIRED},
	{NULL},
};

static const CrispField verify_fields[] = {
	{"is_verified", "verified", CRISP_FIELD_REQUIRED},
	{NULL},
};

static const CrispField participant_fields[] = {
	{"participants", "participants", CRISP_FIELD_REQUIRED | CRISP_FIELD_ARRAY},
	{NULL},
};

#define CONVERSATION_ROUTE "website/{website_id}/conversation/{session_id}"

static const CrispChange conversation_updates[] = {
	{"PATCH", CONVERSATION_ROUTE "/state", true, state_fields, .batches = state_batches},
	{"PATCH", CONVERSATION_ROUTE "/routing", true, routing_fields, .batches = routing_batches},
	{"PATCH", CONVERSATION_ROUTE "/meta", true, meta_fields, .batches = meta_batches},
	{"PATCH", CONVERSATION_ROUTE "/inbox", true, inbox_fields, .batches = inbox_batches},
	{"PATCH", CONVERSATION_ROUTE "/block", true, block_fields, .batches = block_batches},
	{"PATCH", CONVERSATION_ROUTE "/verify", true, verify_fields},
	{"PUT", CONVERSATION_ROUTE "/participants", true, participant_fields},
	{NULL},
};

/* Sent twice, it's two conversations. */
static const CrispChange conversation_insert = {"POST", "website/{website_id}/conversation", false,
												NULL};

static const CrispAnswered conversation_answered[] = {
	{"session_id", "session_id"},
	{NULL},
};

static const CrispChange conversation_remove = {"DELETE", CONVERSATION_ROUTE, true, NULL,
												.batches = remove_batches};

const CrispChanges crisp_conversation_changes = {
	.noun = "conversation",
	.insert = &conversation_insert,
	.insert_then_updates = true,
	.answered = conversation_answered,
	.read_route = CONVERSATION_ROUTE,
	.updates = conversation_updates,
	.remove = &conversation_remove,
};

/*-------------------------------------------------------------------------
 *
 * helpdesk.c
 *		Describe the helpdesk in the catalog.
 *
 * Source of the facts: Crisp's public REST reference (v1) and the types of its
 * official client.  A new column is one line.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "resource/helpdesk.h"

/* One line a column. */
/* clang-format off */
static const CrispColumn helpdesk_locale_columns[] = {
	{"locale", CRISP_TEXT, "language, as en or pt-br", CRISP_KEY | CRISP_REQUIRED},
	{"locale_id", CRISP_TEXT, "identifier of the locale, a UUID"},
	CRISP_WEBSITE_COLUMN,
	{"url", CRISP_TEXT, "URL of the helpdesk in that language"},
	{"statistics.articles.entries", CRISP_INTEGER, "how many articles there are"},
	{"statistics.articles.groups", CRISP_INTEGER, "how many groups of articles there are"},
	{"statistics.guides.entries", CRISP_INTEGER, "how many guides there are"},
	{"statistics.guides.groups", CRISP_INTEGER, "how many groups of guides there are"},
	{"statistics.references.entries", CRISP_INTEGER, "how many references there are"},
	{"statistics.references.groups", CRISP_INTEGER, "how many groups of references there are"},
	{"statistics.news.entries", CRISP_INTEGER, "how many news items there are"},
	{"statistics.news.groups", CRISP_INTEGER, "how many groups of news there are"},
};

/* Below the rows of helpdesk_locales; Crisp's elements don't tell locale and content_type. */
static const CrispColumn helpdesk_page_columns[] = {
	{"locale", CRISP_TEXT, "language of the page, see helpdesk_locales",
	 CRISP_REQUIRED | CRISP_INHERITED},
	{"content_type", CRISP_TEXT, "articles, guides, references or news: the list that has the page",
	 CRISP_REQUIRED | CRISP_WORD},
	{"entity_id", CRISP_TEXT, "identifier of the page", CRISP_KEY | CRISP_REQUIRED},
	CRISP_WEBSITE_COLUMN,
	{"title", CRISP_TEXT, "title"},
	{"tree_path", CRISP_TEXT, "where it stands among the pages"},
	{"url", CRISP_TEXT, "URL of the page"},
};

static const CrispColumn helpdesk_feedback_columns[] = {
	{"locale", CRISP_TEXT, "language of the page, see helpdesk_locales",
	 CRISP_REQUIRED | CRISP_INHERITED},
	{"content_type", CRISP_TEXT, "articles, guides, references or news: the kind of the page",
	 CRISP_REQUIRED | CRISP_WORD},
	CRISP_WEBSITE_COLUMN,
	{"created_at", CRISP_TIME, "when it was given", 0, "filter_date_start", "filter_date_end"},
	{"rating", CRISP_TEXT, "helpful or unhelpful"},
	{"comment", CRISP_TEXT, "what the reader wrote"},
	{"article.article_id", CRISP_TEXT, "identifier of the page, see helpdesk_pages"},
	{"article.title", CRISP_TEXT, "title of the page"},
	{"article.url", CRISP_TEXT, "URL of the page"},
	{"session.session_id", CRISP_TEXT, "conversation of the reader, see conversations"},
	{"session.nickname", CRISP_TEXT, "name of the reader"},
	{"session.email", CRISP_TEXT, "e-mail address of the reader"},
	{"session.avatar", CRISP_TEXT, "URL of the reader's picture"},
	{"session.geolocation.country", CRISP_TEXT, "country of the reader, two letters"},
	{"session.geolocation.region", CRISP_TEXT, "region of the reader"},
	{"session.geolocation.city", CRISP_TEXT, "city of the reader"},
	{"session.geolocation.coordinates.latitude", CRISP_NUMBER, "latitude of the reader, degrees"},
	{"session.geolocation.coordinates.longitude", CRISP_NUMBER,
	 "longitude of the reader, degrees"},
	{"session.assigned.user_id", CRISP_TEXT,
	 "operator to whom the conversation is assigned, see operators"},
};

static const CrispColumn helpdesk_redirection_columns[] = {
	{"redirection_id", CRISP_TEXT, "identifier of the redirection, a UUID",
	 CRISP_KEY | CRISP_REQUIRED},
	CRISP_WEBSITE_COLUMN,
	{"path", CRISP_TEXT, "path that is redirected"},
	{"target", CRISP_TEXT, "where it leads"},
	{"created_at", CRISP_TIME, "when the redirection was created"},
	{"updated_at", CRISP_TIME, "when it last changed"},
};
/* clang-format on */

static const CrispLookup locale_lookups[] = {
	{"locale", "website/{website_id}/helpdesk/locale/{key}", .is_listed = true},
	{NULL},
};

const CrispResource crisp_helpdesk_locales = {
	.name = "helpdesk_locales",
	.description = "languages of the helpdesk, and how much there is in each",
	.list_route = "website/{website_id}/helpdesk/locales/{page_number}",
	.typical_rows = 3,
	.filters = crisp_no_filters,
	.lookups = locale_lookups,
	.orders = crisp_no_orders,
	.keys_recur = true,
	.columns = helpdesk_locale_columns,
	.ncolumns = lengthof(helpdesk_locale_columns),
};

static const char *const content_type_words[] = {"articles", "guides", "references", "news", NULL};

static const CrispWords content_types = {content_type_words};

/* The routes below may know a locale by another spelling, too: EN. */
#define LOCALE_CHARACTERS "abcdefghijklmnopqrstuvwxyz-"

static const CrispParent page_parent = {
	.resource = &crisp_helpdesk_locales,
	.path = "locale",
	.sure = LOCALE_CHARACTERS,
	.typical_rows = 100,
	.words = &content_types,
};

static const CrispParent feedback_parent = {
	.resource = &crisp_helpdesk_locales,
	.path = "locale",
	.sure = LOCALE_CHARACTERS,
	.typical_rows = 200,
	.words = &content_types,
};

const CrispResource crisp_helpdesk_pages = {
	.name = "helpdesk_pages",
	.description = "pages of the helpdesk: a list for each language and content type",
	.list_route = "website/{website_id}/helpdesk/page/list/{locale}/{content_type}/{page_number}",
	.typical_rows = 300,
	.parent = &page_parent,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.keys_recur = true,
	.columns = helpdesk_page_columns,
	.ncolumns = lengthof(helpdesk_page_columns),
};

const CrispResource crisp_helpdesk_feedback = {
	.name = "helpdesk_feedback",
	.description = "what readers of the helpdesk say of its pages",
	.list_route =
		"website/{website_id}/helpdesk/feedback/list/{locale}/{content_type}/{page_number}",
	.typical_rows = 600,
	.parent = &feedback_parent,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.dates_path = "created_at",
	.created_path = "created_at",
	.keys_recur = true,
	.columns = helpdesk_feedback_columns,
	.ncolumns = lengthof(helpdesk_feedback_columns),
};

const CrispResource crisp_helpdesk_redirections = {
	.name = "helpdesk_redirections",
	.description = "paths of the helpdesk that lead elsewhere",
	.list_route = "website/{website_id}/helpdesk/redirections/{page_number}",
	.typical_rows = 20,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.created_path = "created_at",
	.columns = helpdesk_redirection_columns,
	.ncolumns = lengthof(helpdesk_redirection_columns),
};

/*
 * helpdesk.h
 *		Tell where pages and feedback of the helpdesk lie.
 */
#ifndef SANDBOX_HELPDESK_H
#define SANDBOX_HELPDESK_H

#include "dataset.h"

#define HELPDESK_LOCALES 4 /* of which the last has no pages */
#define HELPDESK_PAGES 130
#define HELPDESK_FEEDBACK 170

/* In the order of Crisp's reference. */
typedef enum ContentType
{
	CONTENT_ARTICLES,
	CONTENT_GUIDES,
	CONTENT_REFERENCES,
	CONTENT_NEWS,
	CONTENT_COUNT
} ContentType;

/* Return the content type of that name; CONTENT_COUNT where there is none. */
extern ContentType helpdesk_content_type(const char *name);

/* Return the number of a locale of the website by its name, whatever its case; -1 for none. */
extern int helpdesk_locale(const Website *website, const char *name);

/* Return the locale's name as the list of locales has it. */
extern const char *helpdesk_locale_name(int locale);

/* Say in which list a page, or a reader's feedback, stands, by the row's number. */
extern int		   helpdesk_locale_of(const Row *row);
extern ContentType helpdesk_content_type_of(const Row *row);

#endif /* SANDBOX_HELPDESK_H */

/*
 * lexicon.h
 *		Hold the words that generated rows are made of.
 */
#ifndef SANDBOX_LEXICON_H
#define SANDBOX_LEXICON_H

#include <stddef.h>
#include <stdint.h>

#define NAMES_PER_LOCALE 4

/* A place with its language: names in their own script, ascii ones for e-mail addresses. */
typedef struct Locale
{
	const char *language; /* as browsers send it */
	const char *country;  /* ISO 3166 */
	const char *region;
	const char *city;
	double		latitude;
	double		longitude;
	int			timezone; /* minutes, as JavaScript's getTimezoneOffset() has them */
	const char *dialling; /* international prefix */
	const char *domain;	  /* of e-mail addresses */
	const char *names[NAMES_PER_LOCALE];
	const char *ascii_names[NAMES_PER_LOCALE]; /* before the @ */
} Locale;

typedef struct Browser
{
	const char *name;
	const char *major;
	const char *version;
	const char *engine;
	const char *engine_version;
	const char *os;
	const char *os_version;
	const char *useragent;
} Browser;

/* A key of custom data, and how its values come about. */
typedef enum CustomKind
{
	CUSTOM_TEXT,	/* one of the texts */
	CUSTOM_INT,		/* below the limit */
	CUSTOM_DECIMAL, /* below the limit, two decimals */
	CUSTOM_BOOL,
	CUSTOM_BIG,	 /* 9007199254740993, which a double cannot hold */
	CUSTOM_MIXED /* any of the above: data nobody validated */
} CustomKind;

typedef struct CustomKey
{
	const char *key;
	CustomKind	kind;
	uint32_t	permille; /* how many rows have it */
	uint32_t	limit;
	const char *texts[4];
} CustomKey;

/* Tables; each LEXICON_SIZE-like count is given beside its table. */
extern const Locale		 lexicon_locales[];
extern const uint32_t	 lexicon_locale_count;
extern const Browser	 lexicon_browsers[];
extern const uint32_t	 lexicon_browser_count;
extern const CustomKey	 lexicon_custom_keys[];
extern const uint32_t	 lexicon_custom_key_count; /* at most 32: kept in a bit mask */
extern const char *const lexicon_segments[];
extern const uint32_t	 lexicon_segment_count; /* at most 32: kept in a bit mask */
extern const char *const lexicon_phrases[];
extern const uint32_t	 lexicon_phrase_count;
extern const char *const lexicon_subjects[];
extern const uint32_t	 lexicon_subject_count;
extern const char *const lexicon_companies[];
extern const uint32_t	 lexicon_company_count;
extern const char *const lexicon_pages[];
extern const uint32_t	 lexicon_page_count;

#endif /* SANDBOX_LEXICON_H */

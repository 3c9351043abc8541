/*
 * writing.h
 *		Write parts that the rows of several resources have in common.
 */
#ifndef SANDBOX_WRITING_H
#define SANDBOX_WRITING_H

#include "json_writer.h"
#include "lexicon.h"
#include "random.h"

/*
 * Say whether an optional member is written with its value.  Some are left out and some are null
 * (which is then written here), as in real data.
 */
extern bool optional(JsonWriter *writer, Random *random, const char *key);

/* Write an optional string, which at times is empty. */
extern void optional_string(JsonWriter *writer, Random *random, const char *key, const char *text);

/* Write {country, region, city, coordinates {latitude, longitude}} under "geolocation". */
extern void write_geolocation(JsonWriter *writer, Random *random, const Locale *locale);

/* Write ["de-DE","en"] under "locales". */
extern void write_locales(JsonWriter *writer, Random *random, const Locale *locale);

/* Write ["chat","browser"] under "capabilities". */
extern void write_capabilities(JsonWriter *writer, Random *random);

/* Write the names of the segments in a bit mask, as an array under "segments". */
extern void write_segments(JsonWriter *writer, uint32_t segments);

/* Choose a bit mask over lexicon_segments: most have none, some a few. */
extern uint32_t choose_segments(Random *random);

/* Choose a bit mask over lexicon_custom_keys, and write the object that it stands for. */
extern uint32_t choose_custom_keys(Random *random);
extern void		write_custom_data(JsonWriter *writer, Random *random, uint32_t mask);

/* Choose a moment in the "span" days before "now", more likely in office hours; epoch ms. */
extern int64_t choose_time(Random *random, int64_t now, uint32_t span);

/* Choose a moment between two others, more likely near the first. */
extern int64_t choose_time_after(Random *random, int64_t from, int64_t to);

#endif /* SANDBOX_WRITING_H */

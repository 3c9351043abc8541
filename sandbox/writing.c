/*
 * writing.c
 *		Write parts that the rows of several resources have in common.
 */
#include "writing.h"

#define MS_PER_HOUR INT64_C(3600000)
#define MS_PER_DAY (24 * MS_PER_HOUR)

bool
optional(JsonWriter *writer, Random *random, const char *key)
{
	uint32_t draw = random_below(random, 1000);

	if (draw < 70)
		return false;
	if (draw < 110)
	{
		jw_put_null(writer, key);
		return false;
	}
	return true;
}

void
optional_string(JsonWriter *writer, Random *random, const char *key, const char *text)
{
	if (!optional(writer, random, key))
		return;
	jw_put_string(writer, key, random_permille(random, 60) ? "" : text);
}

void
write_geolocation(JsonWriter *writer, Random *random, const Locale *locale)
{
	if (!optional(writer, random, "geolocation"))
		return;
	jw_key(writer, "geolocation");
	jw_begin(writer, '{');
	optional_string(writer, random, "country", locale->country);
	optional_string(writer, random, "region", locale->region);
	optional_string(writer, random, "city", locale->city);
	if (optional(writer, random, "coordinates"))
	{
		jw_key(writer, "coordinates");
		jw_begin(writer, '{');
		jw_key(writer, "latitude");
		jw_decimal(writer, locale->latitude, 6);
		jw_key(writer, "longitude");
		if (random_permille(random, 100))
			jw_int(writer, (int64_t) locale->longitude);
		else
			jw_decimal(writer, locale->longitude, 4);
		jw_end(writer, '}');
	}
	jw_end(writer, '}');
}

void
write_locales(JsonWriter *writer, Random *random, const Locale *locale)
{
	if (!optional(writer, random, "locales"))
		return;
	jw_key(writer, "locales");
	jw_begin(writer, '[');
	if (!random_permille(random, 50))
		jw_string(writer, locale->language);
	if (random_permille(random, 400))
		jw_string(writer, "en");
	jw_end(writer, ']');
}

void
write_capabilities(JsonWriter *writer, Random *random)
{
	static const char *const names[] = {"browser", "audio", "video", "push"};

	if (!optional(writer, random, "capabilities"))
		return;
	jw_key(writer, "capabilities");
	jw_begin(writer, '[');
	for (uint32_t i = 0; i < 4; i++)
		if (random_permille(random, 700 / (i + 1)))
			jw_string(writer, names[i]);
	jw_end(writer, ']');
}

void
write_segments(JsonWriter *writer, uint32_t segments)
{
	jw_key(writer, "segments");
	jw_begin(writer, '[');
	for (uint32_t i = 0; i < lexicon_segment_count; i++)
		if (segments & (UINT32_C(1) << i))
			jw_string(writer, lexicon_segments[i]);
	jw_end(writer, ']');
}

uint32_t
choose_segments(Random *random)
{
	uint32_t segments = 0;

	for (uint32_t count = random_below(random, 10); count > 4; count--)
	{
		uint32_t limit = lexicon_segment_count;

		/* The first segments of the list are the common ones. */
		if (random_permille(random, 700))
			limit = random_below(random, limit) + 1;
		segments |= UINT32_C(1) << random_below(random, limit);
	}
	return segments;
}

uint32_t
choose_custom_keys(Random *random)
{
	uint32_t mask = 0;

	if (random_permille(random, 300))
		return 0;
	for (uint32_t i = 0; i < lexicon_custom_key_count; i++)
		if (random_permille(random, lexicon_custom_keys[i].permille))
			mask |= UINT32_C(1) << i;
	return mask;
}

static void
write_custom_value(JsonWriter *writer, Random *random, const CustomKey *key)
{
	CustomKind kind = key->kind;
	uint32_t   draw = random_below(random, 4);

	if (kind == CUSTOM_MIXED)
		kind = (CustomKind) random_below(random, CUSTOM_MIXED);
	switch (kind)
	{
		case CUSTOM_TEXT:
			jw_string(writer, key->texts[draw]);
			break;
		case CUSTOM_INT:
			jw_int(writer, (int64_t) random_below(random, key->limit) - (draw == 0 ? 5 : 0));
			break;
		case CUSTOM_DECIMAL:
			jw_decimal(writer, random_below(random, key->limit * 100) / 100.0, draw == 0 ? 1 : 2);
			break;
		case CUSTOM_BIG:
			jw_int(writer, INT64_C(9007199254740993) + draw);
			break;
		case CUSTOM_BOOL:
		case CUSTOM_MIXED:
			jw_bool(writer, draw < 2);
			break;
	}
}

void
write_custom_data(JsonWriter *writer, Random *random, uint32_t mask)
{
	jw_begin(writer, '{');
	for (uint32_t i = 0; i < lexicon_custom_key_count; i++)
		if (mask & (UINT32_C(1) << i))
		{
			jw_key(writer, lexicon_custom_keys[i].key);
			write_custom_value(writer, random, &lexicon_custom_keys[i]);
		}
	jw_end(writer, '}');
}

int64_t
choose_time(Random *random, int64_t now, uint32_t span)
{
	/* How busy each hour of the day (UTC) is, in thousandths of the busiest. */
	static const uint16_t rush[24] = {
		80,	 60,  50,  50,	60,	 100, 220, 450, 800, 1000, 980, 900,
		650, 820, 960, 930, 820, 640, 480, 380, 330, 270,  200, 130,
	};
	int64_t time;

	for (int tries = 0; tries < 16; tries++)
	{
		int64_t	 ago = (int64_t) (random_next(random) % ((uint64_t) span * MS_PER_DAY));
		int		 weekday;
		uint32_t weight;

		time = now - ago;
		weekday = (int) ((time / MS_PER_DAY + 4) % 7); /* 1970-01-01 was a Thursday */
		weight = rush[time / MS_PER_HOUR % 24];
		if (weekday == 0 || weekday == 6)
			weight /= 4;
		if (random_permille(random, weight))
			return time;
	}
	return time;
}

int64_t
choose_time_after(Random *random, int64_t from, int64_t to)
{
	/* The longest step is 2^20 seconds, twelve days, the median a quarter of an hour. */
	uint64_t limit = UINT64_C(1000) << random_below(random, 21);
	int64_t	 step = (int64_t) (random_next(random) % limit);

	if (random_permille(random, 40) || step > to - from)
		step = (int64_t) (random_next(random) % (uint64_t) (to - from + 1));
	return from + step;
}

/*
 * parameters.c
 *		Read and check the values of query parameters.
 */
#include "parameters.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What the API page allows for conversations and people. */
#define PER_PAGE_MIN 20
#define PER_PAGE_MAX 50

/* Read digits alone, at most "limit" of them. */
static bool
parse_digits(const char *text, size_t limit, uint64_t *value)
{
	size_t len = strspn(text, "0123456789");

	if (len == 0 || len > limit || text[len] != '\0')
		return false;
	*value = strtoull(text, NULL, 10);
	return true;
}

void
parameter_flag(const Request *request, const char *name, bool *value, const char **error)
{
	const char *text = request_parameter(request, name);

	if (text == NULL)
		return;
	if (strcmp(text, "1") != 0 && strcmp(text, "0") != 0)
		*error = "a flag must be 0 or 1";
	else
		*value = *text == '1';
}

void
parameter_text(const Request *request, const char *name, const char **value)
{
	const char *text = request_parameter(request, name);

	if (text != NULL && *text != '\0')
		*value = text;
}

void
parameter_per_page(const Request *request, uint32_t *per_page, const char **error)
{
	const char *text = request_parameter(request, "per_page");
	uint64_t	value;

	if (text == NULL)
		return;
	if (!parse_digits(text, 9, &value) || value < PER_PAGE_MIN || value > PER_PAGE_MAX)
		*error = "per_page must be from 20 to 50";
	else
		*per_page = (uint32_t) value;
}

/* Read exactly "count" digits and move past them; -1 if they are not there. */
static int
read_digits(const char **at, int count)
{
	int value = 0;

	while (count-- > 0)
	{
		if (!isdigit((unsigned char) **at))
			return -1;
		value = value * 10 + (*(*at)++ - '0');
	}
	return value;
}

static bool
read_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* Read "Z" or "+hh:mm"; the result is in minutes. */
static bool
read_zone(const char **at, int *minutes)
{
	int sign = **at == '-' ? -1 : 1;
	int hours;
	int rest;

	*minutes = 0;
	if (read_char(at, 'Z'))
		return true;
	if (!read_char(at, '+') && !read_char(at, '-'))
		return false;
	hours = read_digits(at, 2);
	if (!read_char(at, ':'))
		return false;
	rest = read_digits(at, 2);
	if (hours < 0 || hours > 23 || rest < 0 || rest > 59)
		return false;
	*minutes = sign * (hours * 60 + rest);
	return true;
}

static bool
read_date(const char **at, struct tm *tm)
{
	static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int				 year = read_digits(at, 4);
	int				 month = read_char(at, '-') ? read_digits(at, 2) : -1;
	int				 day = read_char(at, '-') ? read_digits(at, 2) : -1;
	bool			 leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	tm->tm_mday = day;
	return year >= 0 && month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] &&
		   (month != 2 || day < 29 || leap);
}

static bool
parse_date(const char *text, int64_t *value)
{
	const char *at = text;
	struct tm	tm = {0};
	int			milliseconds = 0;
	int			zone;

	if (!read_date(&at, &tm) || !read_char(&at, 'T'))
		return false;
	tm.tm_hour = read_digits(&at, 2);
	tm.tm_min = read_char(&at, ':') ? read_digits(&at, 2) : -1;
	tm.tm_sec = read_char(&at, ':') ? read_digits(&at, 2) : -1;
	if (tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 ||
		tm.tm_sec > 59)
		return false;
	if (read_char(&at, '.') && (milliseconds = read_digits(&at, 3)) < 0)
		return false;
	if (!read_zone(&at, &zone) || *at != '\0')
		return false;
	*value = ((int64_t) timegm(&tm) - (int64_t) zone * 60) * 1000 + milliseconds;
	return true;
}

void
parameter_date(const Request *request, const char *name, int64_t *value, bool *given,
			   const char **error)
{
	const char *text = request_parameter(request, name);

	if (text == NULL)
		return;
	if (parse_date(text, value))
		*given = true;
	else
		*error = "a date must be like 2018-03-01T17:00:00.000Z";
}

void
parameter_timestamp(const Request *request, const char *name, int64_t *value, bool *given,
					const char **error)
{
	const char *text = request_parameter(request, name);
	uint64_t	number;

	if (text == NULL)
		return;
	if (!parse_digits(text, 18, &number))
		*error = "a timestamp must be in epoch milliseconds";
	else
	{
		*value = (int64_t) number;
		*given = true;
	}
}

void
parameter_page(const char *text, uint64_t *page, const char **error)
{
	if (!parse_digits(text, 15, page) || *page == 0)
		*error = "page_number must be 1 or more";
}

/*
 * buffer.c
 *		Grow a byte buffer, and allocate memory without failing.
 */
#include "buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
checked(void *memory)
{
	if (memory == NULL)
	{
		fprintf(stderr, "crisp-sandbox: out of memory\n");
		exit(EXIT_FAILURE);
	}
	return memory;
}

void *
xmalloc(size_t size)
{
	return checked(malloc(size > 0 ? size : 1));
}

void *
xcalloc(size_t count, size_t size)
{
	return checked(calloc(count > 0 ? count : 1, size > 0 ? size : 1));
}

void *
xrealloc(void *old, size_t size)
{
	return checked(realloc(old, size > 0 ? size : 1));
}

char *
xstrdup(const char *text)
{
	return xstrndup(text, strlen(text));
}

char *
xstrndup(const char *text, size_t len)
{
	char *copy = xmalloc(len + 1);

	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

void
buffer_free(Buffer *buffer)
{
	free(buffer->data);
	memset(buffer, 0, sizeof(*buffer));
}

void
buffer_reserve(Buffer *buffer, size_t extra)
{
	size_t needed = buffer->len + extra + 1;
	size_t capacity = buffer->capacity;

	if (needed <= capacity)
		return;
	if (capacity < 256)
		capacity = 256;
	while (capacity < needed)
		capacity *= 2;
	buffer->data = xrealloc(buffer->data, capacity);
	buffer->capacity = capacity;
}

void
buffer_append(Buffer *buffer, const void *data, size_t len)
{
	buffer_reserve(buffer, len);
	if (len > 0)
		memcpy(buffer->data + buffer->len, data, len);
	buffer->len += len;
	buffer->data[buffer->len] = '\0';
}

void
buffer_puts(Buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

void
buffer_printf(Buffer *buffer, const char *format, ...)
{
	va_list args;
	int		len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len <= 0)
		return;
	buffer_reserve(buffer, (size_t) len);
	va_start(args, format);
	vsnprintf(buffer->data + buffer->len, (size_t) len + 1, format, args);
	va_end(args);
	buffer->len += (size_t) len;
}

char *
buffer_take(Buffer *buffer)
{
	char *data;

	buffer_reserve(buffer, 0);
	data = buffer->data;
	data[buffer->len] = '\0';
	memset(buffer, 0, sizeof(*buffer));
	return data;
}

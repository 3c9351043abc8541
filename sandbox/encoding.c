/*
 * encoding.c
 *		Encode contents: gzip.
 */
#include "encoding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* The largest window, and a gzip header instead of zlib's own. */
#define GZIP_WINDOW_BITS (15 + 16)
#define MEMORY_LEVEL 8

/* Find a parameter q of zero, "gzip;q=0", in one element of the header. */
static bool
is_refused(const char *element, size_t len)
{
	const char *quality = memmem(element, len, "q=", 2);

	return quality != NULL && strtod(quality + 2, NULL) == 0;
}

bool
accepts_gzip(const char *accept_encoding)
{
	const char *element = accept_encoding;

	while (element != NULL && *element != '\0')
	{
		size_t len;

		element += strspn(element, ", \t");
		len = strcspn(element, ",");
		if (strncasecmp(element, "gzip", 4) == 0 && strcspn(element, "; \t,") == 4)
			return !is_refused(element, len);
		element += len;
	}
	return false;
}

void
gzip_buffer(Buffer *buffer)
{
	z_stream stream = {0};
	Buffer	 packed = {0};

	if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW_BITS, MEMORY_LEVEL,
					 Z_DEFAULT_STRATEGY) != Z_OK)
	{
		fprintf(stderr, "crisp-sandbox: zlib: %s\n", stream.msg != NULL ? stream.msg : "failed");
		exit(1);
	}
	buffer_reserve(&packed, deflateBound(&stream, buffer->len));
	stream.next_in = (Bytef *) buffer->data;
	stream.avail_in = (uInt) buffer->len;
	stream.next_out = (Bytef *) packed.data;
	stream.avail_out = (uInt) packed.capacity;
	(void) deflate(&stream, Z_FINISH); /* there is room for all of it */
	packed.len = stream.total_out;
	(void) deflateEnd(&stream);
	buffer_free(buffer);
	*buffer = packed;
}

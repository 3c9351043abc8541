/*
 * encoding.h
 *		Encode contents: gzip.
 */
#ifndef SANDBOX_ENCODING_H
#define SANDBOX_ENCODING_H

#include <stdbool.h>

#include "buffer.h"

/* Say whether an Accept-Encoding header (NULL: there was none) allows gzip. */
extern bool accepts_gzip(const char *accept_encoding);

/* Replace the content of a buffer by its gzip form. */
extern void gzip_buffer(Buffer *buffer);

#endif /* SANDBOX_ENCODING_H */

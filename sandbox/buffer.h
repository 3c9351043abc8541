/*
 * buffer.h
 *		Grow a byte buffer, and allocate memory without failing.
 */
#ifndef SANDBOX_BUFFER_H
#define SANDBOX_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Buffer
{
	char  *data; /* always followed by a zero byte once not NULL */
	size_t len;
	size_t capacity;
} Buffer;

/*
 * Allocate memory.  The program ends with a message when memory is spent, as no caller could do
 * anything better.  The caller owns and frees what it gets.
 */
extern void *xmalloc(size_t size);
extern void *xcalloc(size_t count, size_t size);
extern void *xrealloc(void *old, size_t size);
extern char *xstrdup(const char *text);
extern char *xstrndup(const char *text, size_t len);

/* Free a buffer, and make it empty and ready for use again, as a zeroed one is. */
extern void buffer_free(Buffer *buffer);

/* Make room for "extra" more bytes and their closing zero. */
extern void buffer_reserve(Buffer *buffer, size_t extra);
extern void buffer_append(Buffer *buffer, const void *data, size_t len);
extern void buffer_puts(Buffer *buffer, const char *text);
extern void buffer_printf(Buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Hand the bytes over to the caller (never NULL, zero-terminated) and empty the buffer. */
extern char *buffer_take(Buffer *buffer);

static inline void
buffer_putc(Buffer *buffer, char c)
{
	if (buffer->len + 1 >= buffer->capacity)
		buffer_reserve(buffer, 1);
	buffer->data[buffer->len++] = c;
	buffer->data[buffer->len] = '\0';
}

#endif /* SANDBOX_BUFFER_H */

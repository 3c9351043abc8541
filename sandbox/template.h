/*
 * template.h
 *		Write templates of campaigns.
 */
#ifndef SANDBOX_TEMPLATE_H
#define SANDBOX_TEMPLATE_H

#include "dataset.h"

/* Write one as its own route has it: with its content. */
extern void template_write_content(const Collection *templates, uint32_t id, JsonWriter *writer);

#endif /* SANDBOX_TEMPLATE_H */

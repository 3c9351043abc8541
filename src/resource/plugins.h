/*-------------------------------------------------------------------------
 *
 * plugins.h
 *		Describe in the catalog what websites have subscribed to.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PLUGINS_H
#define CRISP_PLUGINS_H

#include "resource/entry.h"

extern const CrispResource crisp_plugin_subscriptions;

#endif /* CRISP_PLUGINS_H */

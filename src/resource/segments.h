/*-------------------------------------------------------------------------
 *
 * segments.h
 *		Describe segments in use in the catalog.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SEGMENTS_H
#define CRISP_SEGMENTS_H

#include "resource/entry.h"

extern const CrispResource crisp_conversation_segments;
extern const CrispResource crisp_people_segments;

#endif /* CRISP_SEGMENTS_H */

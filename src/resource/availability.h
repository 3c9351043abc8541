/*-------------------------------------------------------------------------
 *
 * availability.h
 *		Describe in the catalog who of a website's operators is there.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_AVAILABILITY_H
#define CRISP_AVAILABILITY_H

#include "resource/entry.h"

extern const CrispResource crisp_operators_active;
extern const CrispResource crisp_operators_availability;
extern const CrispResource crisp_website_availability;

#endif /* CRISP_AVAILABILITY_H */

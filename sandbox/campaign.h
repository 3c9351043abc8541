/*
 * campaign.h
 *		Give routes what they need of campaigns beyond the list's rows.
 */
#ifndef SANDBOX_CAMPAIGN_H
#define SANDBOX_CAMPAIGN_H

#include "dataset.h"

/* Where a campaign stands, by the names of the list's filter_status_* parameters. */
typedef enum CampaignStatus
{
	CAMPAIGN_NOT_CONFIGURED,
	CAMPAIGN_READY,
	CAMPAIGN_PAUSED,
	CAMPAIGN_SENDING,
	CAMPAIGN_DONE,
	CAMPAIGN_STATUS_COUNT
} CampaignStatus;

/* Return the status that the members "ready", "dispatched", "running" of a list's row tell. */
extern CampaignStatus campaign_status(json_object *campaign);

/* Write the campaign with sender, recipients, flow, options and statistics. */
extern void campaign_write_details(const Collection *campaigns, uint32_t id, JsonWriter *writer);

#endif /* SANDBOX_CAMPAIGN_H */

/*
 * sandbox.c
 *		Everything that one running sandbox is.
 */
#include "sandbox.h"

static void
default_settings(Sandbox *sandbox)
{
	uint64_t version = sandbox->settings.version;

	sandbox->settings = (Settings){
		.latency_ms = sandbox->options.latency_ms,
		.honour_order = true,
		.honour_sort = true,
		.honour_filters = true,
		.full_last_page = 200,
		.visitors_per_page = 20,
		.version = version + 1,
	};
}

void
sandbox_init(Sandbox *sandbox)
{
	default_settings(sandbox);
	request_log_start(&sandbox->log, sandbox->options.log);
	dataset_init(&sandbox->dataset, &sandbox->options);
}

void
sandbox_free(Sandbox *sandbox)
{
	listing_forget(&sandbox->cache);
	changes_clear(&sandbox->changes);
	faults_clear(&sandbox->faults);
	request_log_clear(&sandbox->log);
	dataset_free(&sandbox->dataset);
}

void
sandbox_reset(Sandbox *sandbox)
{
	listing_forget(&sandbox->cache);
	changes_clear(&sandbox->changes);
	faults_clear(&sandbox->faults);
	request_log_clear(&sandbox->log);
	request_log_start(&sandbox->log, sandbox->options.log);
	default_settings(sandbox);
	if (sandbox->dataset.dirty)
	{
		dataset_free(&sandbox->dataset);
		dataset_init(&sandbox->dataset, &sandbox->options);
	}
}

// The catalog of the extension has every field that Crisp's official client
// knows of a resource, as a column of a fitting type, and no other.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { fields } from "./lib/types.mjs";

const kinds = {
  CRISP_TEXT: "string",
  CRISP_INTEGER: "number",
  CRISP_NUMBER: "number",
  CRISP_TIME: "number",
  CRISP_BOOLEAN: "boolean",
  CRISP_TEXT_ARRAY: "string[]",
  CRISP_JSON: "json",
};

const directory = new URL("../src/resource/", import.meta.url);
const files = (await readdir(directory)).filter((name) => name.endsWith(".c"));
const sources = await Promise.all(files.map((name) => readFile(new URL(name, directory), "utf8")));
const source = sources.join("\n");

// The table of the columns of a resource in src/resource/.
function table(resource) {
  const [, text] =
    new RegExp(`CrispColumn ${resource}_columns\\[\\] = \\{\n(.*?)\n\\};`, "s").exec(source) ?? [];
  assert.ok(text, `src/resource/ has a table of the columns of ${resource}`);
  return text;
}

// The columns in that table: path, kind, and the rest of an entry, which may take several lines.
// CRISP_WEBSITE_COLUMN is none.
function entries(resource) {
  const column = /^\t\{"([a-z_.]+)", (CRISP_[A-Z_]+),(.*?)\},$/gms;
  return [...table(resource).matchAll(column)].map(([, path, type, rest]) => ({ path, type, rest }));
}

// The columns of a resource: [path, kind].  Those that read what was asked for, or are for sending
// alone, or inherited, are no fields (a word of the route may be one, too: of those in known), and
// a field that is two columns, by the kind of its value, counts as the one for structures.
function catalog(resource, known = new Map()) {
  return entries(resource)
    .filter(({ rest }) => !/CRISP_(?:ASKED|SENT|STRINGS|INHERITED)/.test(rest))
    .filter(({ path, rest }) => !/CRISP_WORD/.test(rest) || known.has(path))
    .map(({ path, type }) => [path, kinds[type]]);
}

// The columns that only details have.
function details(resource) {
  return entries(resource).filter(({ rest }) => /CRISP_DETAIL/.test(rest)).map(({ path }) => path);
}

for (const [resource, ...typeNames] of [
  ["conversation", "Conversation"],
  ["message", "ConversationMessage"],
  ["conversation_segment", "ConversationSuggestedSegment"],
  ["people_profile", "PeopleProfile"],
  ["conversation_data_key", "ConversationSuggestedData"],
  ["people_data", "PeopleData"],
  ["people_data_key", "PeopleSuggestedDataKey"],
  ["people_event", "PeopleEvent"],
  ["people_campaign", "PeopleCampaign"],
  ["people_subscription", "PeopleSubscription"],
  ["conversation_event", "ConversationEvent"],
  ["conversation_page", "ConversationPage"],
  ["conversation_file", "ConversationFile"],
  ["campaign_recipient", "WebsiteCampaignRecipient"],
  ["campaign_statistic", "WebsiteCampaignStatistic"],
  ["people_segment", "PeopleSuggestedSegment"],
  ["visitor", "WebsiteVisitor"],
  ["visitor_count", "WebsiteVisitorCount"],
  ["operator", "OperatorListOne"],
  ["inbox", "WebsiteInbox"],
  ["campaign", "WebsiteCampaignItem"],
  ["website", "Website", "PluginConnectWebsite"],
  ["conversation_spam", "ConversationSpam"],
  ["operator_active", "WebsiteOperatorsLastActiveListOne"],
  ["operator_availability", "WebsiteAvailabilityOperator"],
  ["website_availability", "WebsiteAvailabilityStatus"],
  ["team", "WebsiteTeam"],
  ["campaign_template", "WebsiteCampaignTemplateItem"],
  ["people_event_name", "PeopleSuggestedEvent"],
  ["helpdesk_locale", "HelpdeskLocale"],
  ["helpdesk_page", "HelpdeskPage"],
  ["helpdesk_feedback", "HelpdeskLocaleFeedbackItem"],
  ["helpdesk_redirection", "HelpdeskRedirection"],
  ["visitor_blocked", "WebsiteVisitorsBlocked"],
  ["plugin_subscription", "PluginSubscription"],
]) {
  test(`the columns of ${resource} are the fields of ${typeNames.join(" and ")}`, () => {
    const known = new Map(typeNames.flatMap((name) => fields(name)));
    assert.deepEqual(catalog(resource, known).sort(), [...known].sort());
  });
}

for (const [resource, listed] of [
  ["campaign", "WebsiteCampaignExcerpt"],
  ["campaign_template", "WebsiteCampaignTemplateExcerpt"],
  ["website", "PluginConnectWebsite"],
]) {
  test(`the details of ${resource} are what ${listed} lacks`, () => {
    const excerpt = new Set(fields(listed).map(([path]) => path));
    const lacking = catalog(resource).map(([path]) => path).filter((path) => !excerpt.has(path));
    assert.deepEqual(details(resource).sort(), lacking.sort());
  });
}

// What a message can be sent with.  A note has all that others have, and its mentions.
test("the fields of a message that is sent are those of ConversationNoteMessageNew", () => {
  const [, text] = /CrispField message_fields\[\] = \{\n(.*?)\n\};/s.exec(source) ?? [];
  assert.ok(text, "src/resource/writable.c has a table of the fields of a message");
  const [, content] = /define CONTENT_FIELDS(.*?)\n\n/s.exec(source) ?? [];
  const sent = [...(text + content).matchAll(/\{\s*\\?\s*"[a-z_]+", "([a-z_.]+)"/g)].map(([, path]) => path);
  const known = fields("ConversationNoteMessageNew").map(([path]) => path);
  assert.deepEqual([...new Set(sent)].sort(), [...new Set(known)].sort());
});

// A website's short lists: spam, who is there, teams, templates, names of events, blocked visitors;
// and the subscriptions that a plugin sees.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { assertConforms, assertRejects, one, sameKeys } from "./lib/assertions.mjs";
import { Sandbox } from "./lib/sandbox.mjs";
import { absentFields } from "./lib/types.mjs";

const nobody = "00000000-0000-4000-8000-000000000000";
let sandbox, client, access, website;

before(async () => {
  sandbox = await Sandbox.start({ conversations: 100, people: 50, operators: 12, websites: 3 });
  access = sandbox.websiteAccess(0);
  website = access.website_id;
  client = sandbox.client(access);
});
after(() => sandbox.stop());
afterEach(() => sandbox.reset());

// All rows of a list in pages, which have these fields, each of which some row has.
async function listed(path, typeName) {
  const pages = await sandbox.pages(access, `website/${website}/${path}`);
  const rows = pages.flatMap((page) => page.rows);
  assertConforms(rows, typeName);
  assert.deepEqual(absentFields(rows, typeName), []);
  return { rows, pages };
}

test("spam is listed page by page, each with the documented fields", async () => {
  const { rows, pages } = await listed("conversations/spams", "ConversationSpam");
  assert.ok(pages.length > 2);
  assert.equal(new Set(rows.map((row) => row.spam_id)).size, rows.length);
  assert.deepEqual(await client.website.listSpamConversations(website, 1), pages[0].rows);
  assert.deepEqual(await client.website.listSpamConversations(website, 99), []);
  const chat = await sandbox.rows(access, `website/${website}/conversations/spams`, {
    filter_type: "chat",
  });
  sameKeys(chat, rows.filter((row) => row.type === "chat"), (row) => row.spam_id);
  assert.ok(chat.length > 0 && chat.length < rows.length);
});

test("operators who were active, and who is available", async () => {
  const active = await client.website.listLastActiveWebsiteOperators(website);
  assertConforms(active, "WebsiteOperatorsLastActiveListOne");
  assert.deepEqual(absentFields(active, "WebsiteOperatorsLastActiveListOne"), []);
  const available = await client.website.listWebsiteOperatorAvailabilities(website);
  assertConforms(available, "WebsiteAvailabilityOperator");
  assert.deepEqual(absentFields(available, "WebsiteAvailabilityOperator"), []);
  assert.deepEqual(
    [...new Set(available.map((row) => row.type))].sort(),
    ["away", "offline", "online"],
  );
  const operators = await client.website.listWebsiteOperators(website);
  const known = new Set(operators.map((row) => row.details.user_id).filter(Boolean));
  assert.deepEqual(new Set(active.map((row) => row.user_id)), known);
  assert.deepEqual(new Set(available.map((row) => row.user_id)), known);
});

test("a website is available, or not: one object", async () => {
  const status = await client.website.getWebsiteAvailabilityStatus(website);
  assertConforms([status], "WebsiteAvailabilityStatus");
  assert.deepEqual(absentFields([status], "WebsiteAvailabilityStatus"), []);
});

test("teams are listed, and each is to be had by itself", async () => {
  const { rows, pages } = await listed("teams/list", "WebsiteTeam");
  assert.ok(pages.length > 1);
  assert.deepEqual(await client.website.listTeams(website, 1), pages[0].rows);
  for (const team of rows) {
    assert.deepEqual(await client.website.getTeam(website, team.team_id), team);
  }
  await assertRejects(client.website.getTeam(website, nobody), 404);
  const operators = await client.website.listWebsiteOperators(website);
  const known = new Set(operators.map((row) => row.details.user_id));
  assert.ok(rows.flatMap((row) => row.operators ?? []).every((user) => known.has(user)));
});

test("templates are listed without their content, which each has by itself", async () => {
  const { rows, pages } = await listed("campaigns/templates", "WebsiteCampaignTemplateExcerpt");
  assert.ok(pages.length > 2);
  assert.deepEqual(await client.website.listCampaignTemplates(website, 1), pages[0].rows);
  const templates = [];
  for (const excerpt of rows) {
    const template = await client.website.getCampaignTemplate(website, excerpt.template_id);
    for (const [name, value] of Object.entries(excerpt)) {
      assert.deepEqual(template[name], value);
    }
    templates.push(template);
  }
  assertConforms(templates, "WebsiteCampaignTemplateItem");
  assert.deepEqual(absentFields(templates, "WebsiteCampaignTemplateItem"), []);
  await assertRejects(client.website.getCampaignTemplate(website, nobody), 404);
});

test("the filters of templates leave what they describe", async () => {
  const path = `website/${website}/campaigns/templates`;
  const all = await sandbox.rows(access, path);
  const { name } = all[0];
  for (const [query, belongs] of [
    [{ filter_type_static: 1 }, (row) => row.type === "static"],
    [{ filter_type_custom: 1 }, (row) => row.type === "custom"],
    [{ filter_type_static: 1, filter_type_custom: 1 }, () => true],
  ]) {
    const rows = await sandbox.rows(access, path, query);
    sameKeys(rows, all.filter(belongs), (row) => row.template_id);
  }
  const named = await sandbox.rows(access, path, { search_name: name });
  assert.ok(named.some((row) => row.template_id === all[0].template_id));
  assert.ok(named.length < all.length);
});

test("names of events are those of all profiles' events, and counted", async () => {
  const { rows } = await listed("people/suggest/events", "PeopleSuggestedEvent");
  const people = await sandbox.rows(access, `website/${website}/people/profiles`);
  const counts = {};
  for (const { people_id } of people) {
    const path = `website/${website}/people/events/${people_id}/list`;
    for (const { text } of await sandbox.rows(access, path)) {
      counts[text] = (counts[text] ?? 0) + 1;
    }
  }
  assert.deepEqual(Object.fromEntries(rows.map((row) => [row.text, row.count])), counts);
  assert.deepEqual(await client.website.listSuggestedPeopleEvents(website, 1), rows);
});

// The client's type is one object; the reference has a list of them.
test("rules that block visitors come all at once, and two may be equal", async () => {
  const rules = await client.website.countBlockedVisitors(website);
  assertConforms(rules, "WebsiteVisitorsBlocked");
  assert.deepEqual(absentFields(rules, "WebsiteVisitorsBlocked"), []);
  assert.ok(new Set(rules.map((row) => JSON.stringify(row))).size < rules.length);
  await sandbox.control({ blocked: "object" });
  assert.deepEqual(await client.website.countBlockedVisitors(website), rules[0]);
});

test("a plugin sees subscriptions of one website, or of all that have it", async () => {
  const plugin = sandbox.client(sandbox.pluginAccess());
  const ids = sandbox.info.websites.map((row) => row.website_id);
  for (const subscriptions of ["all", "own"]) {
    await sandbox.control({ subscriptions });
    const all = await plugin.plugin.listAllActiveSubscriptions();
    assertConforms(all, "PluginSubscription");
    const parts = [
      ...(await plugin.plugin.listSubscriptionsForWebsite(ids[0])),
      ...(await plugin.plugin.listSubscriptionsForWebsite(ids[1])),
    ];
    sameKeys(all, parts, (row) => `${row.website_id} ${row.id}`);
    if (subscriptions === "all") {
      assert.deepEqual(absentFields(all, "PluginSubscription"), []);
    } else {
      const { plugin_id } = sandbox.info.plugin;
      assert.ok(all.every((row) => row.id === plugin_id));
    }
  }
  one(await plugin.plugin.listAllActiveSubscriptions(), (row) => typeof row.since === "string");
  await assertRejects(plugin.plugin.listSubscriptionsForWebsite(ids[2]), 403);
  await assertRejects(client.plugin.listAllActiveSubscriptions(), 403);
  await assertRejects(client.plugin.listSubscriptionsForWebsite(website), 403);
});

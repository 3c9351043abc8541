// What belongs to a website besides conversations and people: visitors,
// operators, campaigns, inboxes; and the websites themselves.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertConforms, assertRejects, newestFirst, one, sameKeys } from "./lib/assertions.mjs";
import { Sandbox } from "./lib/sandbox.mjs";
import { absentFields } from "./lib/types.mjs";

let sandbox, client, access, website;

before(async () => {
  sandbox = await Sandbox.start({
    conversations: 300,
    people: 100,
    visitors: 130,
    operators: 12,
    campaigns: 75,
    websites: 3,
  });
  access = sandbox.websiteAccess(0);
  website = access.website_id;
  client = sandbox.client(access);
});
after(() => sandbox.stop());

test("visitors are listed page by page, each once, with the documented fields", async () => {
  const visitors = await sandbox.rows(access, `website/${website}/visitors/list`);
  assertConforms(visitors, "WebsiteVisitor");
  assert.deepEqual(absentFields(visitors, "WebsiteVisitor"), []);
  assert.equal(visitors.length, 130);
  assert.equal(new Set(visitors.map((row) => row.session_id)).size, 130);
  const page = await client.website.listVisitors(website);
  assert.ok(page.length > 0 && page.length < 130);
  assert.deepEqual(page, visitors.slice(0, page.length));
  assert.deepEqual(await client.website.listVisitors(website, 99), []);
});

test("visitors/count counts them", async () => {
  const visitors = await sandbox.rows(access, `website/${website}/visitors/list`);
  const count = await client.website.countVisitors(website);
  assertConforms([count], "WebsiteVisitorCount");
  assert.deepEqual(count, {
    count: 130,
    active: visitors.filter((row) => row.active).length,
    limited: false,
  });
});

test("operators come all at once, and conversations are assigned to them", async () => {
  const operators = await client.website.listWebsiteOperators(website);
  assertConforms(operators, "OperatorListOne");
  assert.deepEqual(absentFields(operators, "OperatorListOne"), []);
  assert.equal(operators.length, 12);
  assert.deepEqual(
    [...new Set(operators.map((row) => row.type))].sort(),
    ["invite", "operator", "sandbox"],
  );
  const conversations = await sandbox.rows(access, `website/${website}/conversations`);
  const assigned = conversations.map((row) => row.assigned?.user_id).filter(Boolean);
  const known = new Set(operators.map((row) => row.details.user_id));
  assert.ok(assigned.length > 0);
  assert.ok(assigned.every((user) => known.has(user)));
  const { status } = await sandbox.request(access, "GET", `website/${website}/operators/list`);
  assert.equal(status, 200);
});

test("campaigns are listed with the documented fields", async () => {
  const campaigns = await sandbox.rows(access, `website/${website}/campaigns/list`);
  assertConforms(campaigns, "WebsiteCampaignExcerpt");
  assert.deepEqual(absentFields(campaigns, "WebsiteCampaignExcerpt"), []);
  assert.equal(campaigns.length, 75);
  assert.equal(new Set(campaigns.map((row) => row.campaign_id)).size, 75);
  const page = await client.website.listCampaigns(website);
  assert.deepEqual(page, campaigns.slice(0, page.length));
});

test("the filters of campaigns leave what they describe", async () => {
  const path = `website/${website}/campaigns/list`;
  const all = await sandbox.rows(access, path);
  const key = (row) => row.campaign_id;
  const { tag } = one(all, (row) => row.tag);
  const { name } = all[0];
  for (const [query, belongs] of [
    [{ filter_tag: tag }, (row) => row.tag === tag],
    [{ filter_type_one_shot: 1 }, (row) => row.type === "one_shot"],
    [{ filter_type_automated: 1 }, (row) => row.type === "automated"],
    [{ filter_status_done: 1 }, (row) => row.dispatched && !row.running],
    [{ filter_status_not_configured: 1 }, (row) => !row.ready],
  ]) {
    const rows = await sandbox.rows(access, path, query);
    assert.ok(rows.length > 0 && rows.length < all.length, JSON.stringify(query));
    assert.ok(rows.every(belongs), JSON.stringify(query));
  }
  sameKeys(
    await sandbox.rows(access, path, { filter_tag: tag }),
    all.filter((row) => row.tag === tag),
    key,
  );
  const statuses = ["not_configured", "ready", "paused", "sending", "done"];
  const parts = await Promise.all(
    statuses.map((status) => sandbox.rows(access, path, { [`filter_status_${status}`]: 1 })),
  );
  sameKeys(parts.flat(), all, key);
  const named = await sandbox.rows(access, path, { search_name: name });
  assert.ok(named.some((row) => row.campaign_id === all[0].campaign_id));
  assert.ok(named.length < all.length);
});

test("a campaign by itself has what the list has, and more", async () => {
  const excerpts = await sandbox.rows(access, `website/${website}/campaigns/list`);
  const campaigns = [];
  for (const excerpt of excerpts) {
    const campaign = await client.website.getCampaign(website, excerpt.campaign_id);
    for (const [name, value] of Object.entries(excerpt)) {
      assert.deepEqual(campaign[name], value);
    }
    campaigns.push(campaign);
  }
  assertConforms(campaigns, "WebsiteCampaignItem");
  assert.deepEqual(absentFields(campaigns, "WebsiteCampaignItem"), []);
  await assertRejects(
    client.website.getCampaign(website, "00000000-0000-4000-8000-000000000000"),
    404,
  );
});

test("inboxes are listed, and conversations lie in them", async () => {
  const inboxes = await client.website.listInboxes(website);
  assertConforms(inboxes, "WebsiteInbox");
  const known = new Set(inboxes.map((row) => row.inbox_id));
  const conversations = await sandbox.rows(access, `website/${website}/conversations`);
  const used = conversations.map((row) => row.inbox_id).filter(Boolean);
  assert.ok(used.length > 0);
  // The AI agent's is in no list.
  assert.ok(used.includes("_internal:agent") && !known.has("_internal:agent"));
  assert.ok(used.every((inbox) => known.has(inbox) || inbox === "_internal:agent"));
});

test("a website tells its name", async () => {
  const it = await client.website.getWebsite(website);
  assertConforms([it], "Website");
  assert.deepEqual(Object.keys(it).sort(), ["domain", "logo", "name", "website_id"]);
  assert.equal(it.website_id, website);
});

test("each website has its own data, also in the eyes of a plugin", async () => {
  const plugin = sandbox.client(sandbox.pluginAccess());
  const seen = new Set();
  for (const [i, { website_id }] of sandbox.info.websites.entries()) {
    const own = sandbox.websiteAccess(i);
    const rows = await sandbox.rows(own, `website/${website_id}/conversations`, { per_page: 50 });
    newestFirst(
      await sandbox.rows(own, `website/${website_id}/conversations`, { order_date_updated: 1 }),
      "updated_at",
    );
    rows.forEach((row) => {
      assert.equal(row.website_id, website_id);
      assert.ok(!seen.has(row.session_id));
      seen.add(row.session_id);
    });
    if (i < sandbox.info.websites.length - 1) {
      const page = await plugin.website.listConversations(website_id, 1, { per_page: 50 });
      assert.deepEqual(page, rows.slice(0, page.length));
    }
  }
});

test("a plugin learns who it is, and which websites have it", async () => {
  const plugin = sandbox.client(sandbox.pluginAccess());
  const account = await plugin.plugin.getConnectAccount();
  assertConforms([account], "PluginConnectAccount");
  assert.deepEqual(Object.keys(account), ["plugin_id"]);
  const websites = await plugin.plugin.listAllConnectWebsites(1, false, false);
  assertConforms(websites, "PluginConnectWebsite");
  assert.deepEqual(
    websites.map((row) => row.website_id).sort(),
    sandbox.info.websites
      .slice(0, -1)
      .map((row) => row.website_id)
      .sort(),
  );
  assert.ok(websites.every((row) => !row.plan));
  const planned = await plugin.plugin.listAllConnectWebsites(1, false, true);
  assertConforms(planned, "PluginConnectWebsite");
  assert.ok(planned.every((row) => row.plan));
  const configured = await plugin.plugin.listAllConnectWebsites(1, true, false);
  assert.ok(configured.length <= websites.length);
});

test("a user learns whose account it is", async () => {
  const user = sandbox.client(sandbox.userAccess());
  const account = await user.get(user.prepareRestUrl(["user", "account"]));
  assert.ok(Object.keys(account).length > 0);
});

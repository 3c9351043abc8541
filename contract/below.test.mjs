// Lists that lie below conversations, campaigns and profiles.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertConforms, assertRejects, one } from "./lib/assertions.mjs";
import { Sandbox } from "./lib/sandbox.mjs";
import { absentFields } from "./lib/types.mjs";

let sandbox, client, access, website, conversations, campaigns, people;

const nobody = "00000000-0000-4000-8000-000000000000";
const ids = (rows, key) => rows.map((row) => row[key]);

before(async () => {
  sandbox = await Sandbox.start({ conversations: 200, people: 120, campaigns: 25 });
  access = sandbox.websiteAccess(0);
  website = access.website_id;
  client = sandbox.client(access);
  conversations = ids(
    await sandbox.rows(access, `website/${website}/conversations`, { per_page: 50 }),
    "session_id",
  );
  campaigns = ids(await sandbox.rows(access, `website/${website}/campaigns/list`), "campaign_id");
  people = ids(
    await sandbox.rows(access, `website/${website}/people/profiles`, { per_page: 50 }),
    "people_id",
  );
});
after(() => sandbox.stop());

// All lists of a kind: [{id, rows}], by the route of each.
function below(parents, route) {
  return Promise.all(
    parents.map(async (id) => ({
      id,
      rows: await sandbox.rows(access, `website/${website}/${route(id)}`),
    })),
  );
}

// Of the lists, some are empty and some take several pages; the client's first page is what plain
// HTTP has; a parent that is gone is not found.
async function assertLists(lists, firstPage, gone) {
  assert.ok(lists.some(({ rows }) => rows.length === 0));
  const { id, rows } = one(lists, (list) => list.rows.length > 20);
  assert.deepEqual(await firstPage(id), rows.slice(0, 20));
  assert.deepEqual(await firstPage(id, 99), []);
  await assertRejects(firstPage(id, 0), 400, "invalid_data");
  await assertRejects(firstPage(gone), 404, "not_found");
  return lists.flatMap((list) => list.rows);
}

for (const [name, type, method] of [
  ["events", "ConversationEvent", "listConversationEvents"],
  ["pages", "ConversationPage", "listConversationPages"],
  ["files", "ConversationFile", "listConversationFiles"],
]) {
  test(`${name} of conversations have the documented fields`, async () => {
    const lists = await below(conversations, (id) => `conversation/${id}/${name}`);
    const rows = await assertLists(
      lists,
      (id, page = 1) => client.website[method](website, id, page),
      `session_${nobody}`,
    );
    assertConforms(rows, type);
    assert.deepEqual(absentFields(rows, type), []);
    const texts = lists.flatMap(({ id, rows: own }) => own.map((row) => id + JSON.stringify(row)));
    assert.ok(new Set(texts).size < texts.length, "some are the same in everything");
    for (const { rows: own } of lists) {
      const times = own.map((row) => row.timestamp ?? -Infinity);
      assert.deepEqual(times, [...times].sort((a, b) => b - a || 0));
    }
  });
}

test("recipients of campaigns have the documented fields, and are profiles", async () => {
  const lists = await below(campaigns, (id) => `campaign/${id}/recipients`);
  const rows = await assertLists(
    lists,
    (id, page = 1) => client.website.listCampaignRecipients(website, id, page),
    nobody,
  );
  assertConforms(rows, "WebsiteCampaignRecipient");
  assert.deepEqual(absentFields(rows, "WebsiteCampaignRecipient"), []);
  const known = new Set(people);
  for (const { rows: own } of lists) {
    assert.equal(new Set(ids(own, "people_id")).size, own.length);
    assert.ok(own.every((row) => known.has(row.people_id)));
  }
});

test("statistics of campaigns have the documented fields, by what was done", async () => {
  const all = [];
  for (const type of ["opened", "clicked", "unsubscribed"]) {
    const lists = await below(campaigns, (id) => `campaign/${id}/statistics/${type}`);
    assert.ok(lists.some(({ rows }) => rows.length === 0));
    for (const { id, rows } of lists.slice(0, 5)) {
      assert.deepEqual(
        await client.website.listCampaignStatistics(website, id, type, 1),
        rows.slice(0, 20),
      );
    }
    await assertRejects(client.website.listCampaignStatistics(website, nobody, type, 1), 404);
    all.push(...lists.flatMap(({ rows }) => rows));
  }
  assertConforms(all, "WebsiteCampaignStatistic");
  assert.deepEqual(absentFields(all, "WebsiteCampaignStatistic"), []);
  await assertRejects(
    client.website.listCampaignStatistics(website, campaigns[0], "applauded", 1),
    400,
    "invalid_data",
  );
});

test("statistics come in pages of per_page", async () => {
  const path = (id) => `website/${website}/campaign/${id}/statistics/opened`;
  for (const id of campaigns) {
    const rows = await sandbox.rows(access, path(id));
    assert.deepEqual(await sandbox.rows(access, path(id), { per_page: 50 }), rows);
    assert.equal(
      (await client.get(client.prepareRestUrl([...path(id).split("/"), "1"]), { per_page: 50 }))
        .length,
      Math.min(rows.length, 50),
    );
  }
});

test("campaigns of profiles have the documented fields, and are campaigns", async () => {
  const lists = await below(people, (id) => `people/campaigns/${id}/list`);
  const rows = await assertLists(
    lists,
    (id, page = 1) => client.website.listPeopleCampaigns(website, id, page),
    nobody,
  );
  assertConforms(rows, "PeopleCampaign");
  assert.deepEqual(absentFields(rows, "PeopleCampaign"), []);
  const recipients = await below(campaigns, (id) => `campaign/${id}/recipients`);
  assert.deepEqual(
    lists.flatMap(({ id, rows: own }) => own.map((row) => `${row.campaign_id} ${id}`)).sort(),
    recipients.flatMap(({ id, rows: own }) => own.map((row) => `${id} ${row.people_id}`)).sort(),
  );
});

test("a profile's subscriptions are an object, by id and by e-mail address", async () => {
  const rows = await Promise.all(
    people.map((id) => client.website.getPeopleSubscriptionStatus(website, id)),
  );
  assertConforms(rows, "PeopleSubscription");
  assert.deepEqual(new Set(ids(rows, "email")), new Set([true, false, null, undefined]));
  const profiles = await sandbox.rows(access, `website/${website}/people/profiles`);
  const { people_id, email } = one(profiles, (row) => row.email);
  assert.deepEqual(
    await client.website.getPeopleSubscriptionStatus(website, email),
    await client.website.getPeopleSubscriptionStatus(website, people_id),
  );
  await assertRejects(client.website.getPeopleSubscriptionStatus(website, nobody), 404);
});

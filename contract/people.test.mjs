// Profiles of people: the list with all its parameters, single profiles, and
// what hangs on them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertConforms, assertRejects, newestFirst, one, sameKeys } from "./lib/assertions.mjs";
import { Sandbox } from "./lib/sandbox.mjs";
import { absentFields } from "./lib/types.mjs";

let sandbox, client, access, website, all;

const path = () => `website/${website}/people/profiles`;
const listAll = (query) => sandbox.rows(access, path(), { per_page: 50, ...query });
const key = (row) => row.people_id;

// The client's own method knows no per_page and no dates; its GET does.
const list = (query, page = 1) =>
  client.get(client.prepareRestUrl([...path().split("/"), String(page)]), query);

// How often each of the names occurs.
function counted(names) {
  const counts = new Map();
  names.forEach((name) => counts.set(name, (counts.get(name) ?? 0) + 1));
  return counts;
}

before(async () => {
  sandbox = await Sandbox.start({ conversations: 400, people: 330 });
  access = sandbox.websiteAccess(0);
  website = access.website_id;
  client = sandbox.client(access);
  all = await listAll();
});
after(() => sandbox.stop());

test("every profile has the documented fields alone, with their types", () => {
  assertConforms(all, "PeopleProfile");
  for (const row of all) {
    assert.match(row.people_id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.ok(row.created_at > 1e12 && row.created_at <= row.updated_at);
  }
});

test("every documented field occurs somewhere", () => {
  assert.deepEqual(absentFields(all, "PeopleProfile"), []);
});

test("the default page has 20 profiles, and a page has per_page of them", async () => {
  assert.equal((await client.website.listPeopleProfiles(website)).length, 20);
  assert.equal((await list({ per_page: 50 })).length, 50);
  assert.equal((await list({ per_page: 50 }, 7)).length, 30);
  assert.deepEqual(await list({ per_page: 50 }, 8), []);
  for (const per_page of [19, 51, "x"]) {
    await assertRejects(list({ per_page }), 400, "invalid_data");
  }
  await assertRejects(list({}, 0), 400, "invalid_data");
});

test("the pages end with 200, and together are all profiles once", async () => {
  const pages = await sandbox.pages(access, path(), { per_page: 50 });
  assert.deepEqual(
    pages.map(({ status }) => status),
    [206, 206, 206, 206, 206, 206, 200],
  );
  assert.equal(new Set(all.map(key)).size, 330);
});

test("people/stats counts the profiles", async () => {
  const statistics = await client.website.getPeopleStatistics(website);
  assertConforms([statistics], "PeopleStatistics");
  assert.equal(statistics.total, 330);
});

test("sort_field and sort_order sort the whole list", async () => {
  const fields = {
    created_at: (row) => row.created_at,
    updated_at: (row) => row.updated_at,
    active: (row) => row.active?.last,
  };
  for (const [sort_field, time] of Object.entries(fields)) {
    const descending = await listAll({ sort_field, sort_order: "descending" });
    newestFirst(
      descending.map((row) => ({ time: time(row) })),
      "time",
    );
    const ascending = await listAll({ sort_field, sort_order: "ascending" });
    const times = ascending.map(time).filter((one) => typeof one === "number");
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    );
    sameKeys(ascending, all, key);
    sameKeys(descending, all, key);
  }
  await assertRejects(list({ sort_field: "created_at", sort_order: "up" }), 400, "invalid_data");
});

test("search_filter finds a profile by its e-mail address", async () => {
  const profile = one(all, (row) => row.email);
  const filter = [{ model: "people", criterion: "email", operator: "eq", query: [profile.email] }];
  const rows = await client.website.listPeopleProfiles(
    website,
    1,
    "active",
    "descending",
    "and",
    JSON.stringify(filter),
  );
  sameKeys(
    rows,
    all.filter((row) => row.email === profile.email),
    key,
  );
});

test("search_filter takes several conditions, joined by search_operator", async () => {
  const [a, b] = one(all, (row) => row.segments?.length > 1).segments;
  const has = (row, segment) => row.segments?.includes(segment) ?? false;
  const condition = (segment, operator = "eq") => ({
    model: "people",
    criterion: "segments",
    operator,
    query: [segment],
  });
  for (const [conditions, search_operator, belongs] of [
    [[condition(a)], "and", (row) => has(row, a)],
    [[condition(a), condition(b)], "and", (row) => has(row, a) && has(row, b)],
    [[condition(a), condition(b)], "or", (row) => has(row, a) || has(row, b)],
    [[condition(a, "neq")], "and", (row) => !has(row, a)],
  ]) {
    const rows = await listAll({ search_filter: conditions, search_operator });
    const expected = all.filter(belongs);
    assert.ok(expected.length > 0 && expected.length < all.length);
    sameKeys(rows, expected, key);
  }
});

test("a search_filter that is no array of conditions is refused", async () => {
  for (const search_filter of ["[{", '{"model":"people"}', "[1]", '[{"model":"people"}]']) {
    await assertRejects(list({ search_filter, search_operator: "and" }), 400, "invalid_data");
  }
});

test("search_text finds profiles by what is written in them", async () => {
  const { person } = one(all, (row) => row.person?.nickname?.length > 3);
  const rows = await client.website.listPeopleProfiles(
    website,
    1,
    undefined,
    undefined,
    undefined,
    undefined,
    person.nickname,
  );
  assert.ok(rows.length > 0);
  assert.ok(rows.some((row) => row.person?.nickname === person.nickname));
  assert.ok(rows.length < all.length);
  assert.deepEqual(await list({ search_text: "no such words anywhere" }), []);
});

test("filter_date_* bounds the date of creation, not that of the update", async () => {
  const times = all.map((row) => row.created_at).sort((a, b) => a - b);
  const [from, to] = [times[100], times[250]];
  const rows = await listAll({
    filter_date_start: new Date(from).toISOString(),
    filter_date_end: new Date(to).toISOString(),
  });
  const got = new Set(rows.map(key));
  assert.ok(all.every((row) => !(row.created_at > from && row.created_at < to) || got.has(key(row))));
  assert.ok(rows.every((row) => row.created_at >= from && row.created_at <= to));
  await assertRejects(list({ filter_date_end: "tomorrow" }), 400, "invalid_data");
});

test("a profile by its id, and by its e-mail address, is what the list has", async () => {
  const emails = counted(all.map((row) => row.email));
  const profile = one(all, (row) => row.email && emails.get(row.email) === 1);
  assert.deepEqual(await client.website.getPeopleProfile(website, profile.people_id), profile);
  assert.deepEqual(await client.website.getPeopleProfile(website, profile.email), profile);
});

test("a profile that does not exist is not found", async () => {
  const nobody = "00000000-0000-4000-8000-000000000000";
  await assertRejects(client.website.getPeopleProfile(website, nobody), 404);
  await assertRejects(client.website.getPeopleProfile(website, "nobody@nowhere.example"), 404);
  await assertRejects(client.website.getPeopleData(website, nobody), 404);
});

test("custom data is a flat object, and the suggestions count its keys", async () => {
  const data = await Promise.all(
    all.map((row) => client.website.getPeopleData(website, row.people_id)),
  );
  assertConforms(data, "PeopleData");
  const keys = await sandbox.rows(access, `website/${website}/people/suggest/data`);
  assertConforms(keys, "PeopleSuggestedDataKey");
  assert.deepEqual(
    new Map(keys.map((row) => [row.key, row.count])),
    counted(data.flatMap((row) => Object.keys(row.data))),
  );
  assert.ok((await client.website.listSuggestedPeopleDataKeys(website)).length > 0);
});

test("the suggestions count segments as the profiles have them", async () => {
  const segments = await sandbox.rows(access, `website/${website}/people/suggest/segments`);
  assertConforms(segments, "PeopleSuggestedSegment");
  assert.deepEqual(
    new Map(segments.map(({ segment, count }) => [segment, count])),
    counted(all.flatMap((row) => [...new Set(row.segments ?? [])])),
  );
  assert.ok((await client.website.listSuggestedPeopleSegments(website)).length > 0);
});

test("a profile's conversations are those that name it", async () => {
  const conversations = await sandbox.rows(access, `website/${website}/conversations`, {
    per_page: 50,
    include_empty: 1,
  });
  let found = 0;
  for (const { people_id } of all.slice(0, 60)) {
    const sessions = await sandbox.rows(
      access,
      `website/${website}/people/conversations/${people_id}/list`,
    );
    assert.deepEqual(
      sessions.sort(),
      conversations
        .filter((row) => row.people_id === people_id)
        .map((row) => row.session_id)
        .sort(),
    );
    const page = await client.website.listPeopleConversations(website, people_id);
    assert.ok(page.every((session) => sessions.includes(session)));
    found += sessions.length;
  }
  assert.ok(found > 0);
  const known = new Set(all.map(key));
  assert.ok(conversations.every((row) => !row.people_id || known.has(row.people_id)));
});

test("a profile's conversations can be asked for by its e-mail address, and by what they are", async () => {
  const conversations = await sandbox.rows(access, `website/${website}/conversations`, {
    per_page: 50,
    include_empty: 1,
  });
  const emails = counted(all.map((row) => row.email));
  const of = counted(conversations.map((row) => row.people_id));
  const { people_id, email } = one(
    all,
    (row) => emails.get(row.email) === 1 && of.get(row.people_id) > 1,
  );
  const path = `website/${website}/people/conversations/${encodeURIComponent(email)}/list`;
  for (const [query, belongs] of [
    [{}, () => true],
    [{ filter_resolved: 1 }, (row) => row.state === "resolved"],
    [{ filter_not_resolved: 1 }, (row) => row.state !== "resolved"],
    [{ filter_unread: 1 }, (row) => row.unread?.operator > 0],
  ]) {
    assert.deepEqual(
      (await sandbox.rows(access, path, query)).sort(),
      conversations
        .filter((row) => row.people_id === people_id && belongs(row))
        .map((row) => row.session_id)
        .sort(),
    );
  }
});

test("a profile's events have the documented fields", async () => {
  const events = [];
  for (const { people_id } of all.slice(0, 100)) {
    events.push(...(await client.website.listPeopleEvents(website, people_id)));
  }
  assertConforms(events, "PeopleEvent");
  assert.deepEqual(absentFields(events, "PeopleEvent"), []);
});

// Changes of people, made by Crisp's official client: profiles, their custom data, events and
// subscriptions, and what is refused.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { assertConforms, assertRejects, one } from "./lib/assertions.mjs";
import { Sandbox } from "./lib/sandbox.mjs";

let sandbox, client, website, people;

const add = (profile) => client.website.addNewPeopleProfile(website, profile);
const get = (id) => client.website.getPeopleProfile(website, id);
const data = async (id) => (await client.website.getPeopleData(website, id)).data;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

before(async () => {
  sandbox = await Sandbox.start({ conversations: 20, people: 60 });
  const access = sandbox.websiteAccess(0);
  website = access.website_id;
  client = sandbox.client(access);
  people = await sandbox.rows(access, `website/${website}/people/profiles`, { per_page: 50 });
});
afterEach(() => sandbox.reset());
after(() => sandbox.stop());

test("addNewPeopleProfile makes a profile, and tells its id", async () => {
  const card = {
    email: "new@example.com",
    person: { nickname: "Zoé", employment: { title: "CTO" }, locales: ["fr"] },
    company: { name: "ACME", metrics: { employees: 12 } },
    segments: ["vip"],
    notepad: "",
    active: 1768478400000,
  };
  const { people_id } = await add(card);
  assert.match(people_id, uuid);
  const profile = await get(people_id);
  assertConforms([profile], "PeopleProfile");
  assert.deepEqual(
    { ...profile, active: card.active },
    {
      people_id,
      ...card,
      created_at: profile.created_at,
      updated_at: profile.updated_at,
    },
  );
  assert.deepEqual(profile.active, { now: false, last: 1768478400000 });
  assert.deepEqual(await get("new@example.com"), profile);
  assert.deepEqual(await data(people_id), {});
  assert.deepEqual(await client.website.listPeopleEvents(website, people_id, 1), []);
});

test("an e-mail address and a nickname are required", async () => {
  await assertRejects(add({ person: { nickname: "x" } }), 400, "invalid_data");
  await assertRejects(add({ email: "x@example.com" }), 400, "invalid_data");
});

test("an address that is known is refused, in capitals by email_case", async () => {
  const { email } = one(people, (row) => row.email);
  const person = { nickname: "x" };
  await assertRejects(add({ email, person }), 409, "people_exists");
  await assertRejects(add({ email: email.toUpperCase(), person }), 409, "people_exists");
  await sandbox.control({ email_case: "kept" });
  assert.match((await add({ email: email.toUpperCase(), person })).people_id, uuid);
});

test("fields of the wrong type, and unknown ones, are refused", async () => {
  const { people_id } = people[0];
  for (const profile of [
    { email: 1 },
    { person: { nickname: true } },
    { person: { timezone: "60" } },
    { person: { locales: "de" } },
    { segments: [1] },
    { active: { last: 1 } },
    { score: 5 },
    { person: { height: 180 } },
    { custom: "x" },
  ]) {
    await assertRejects(
      client.website.updatePeopleProfile(website, people_id, profile),
      400,
      "invalid_data",
    );
  }
  assert.deepEqual(await get(people_id), people[0]);
});

test("updatePeopleProfile merges, and moves updated_at", async () => {
  const before = one(people, (row) => row.person?.phone && row.company?.name);
  await client.website.updatePeopleProfile(website, before.people_id, {
    person: { nickname: "Ann" },
    segments: ["a"],
  });
  const profile = await get(before.people_id);
  assert.ok(profile.updated_at > before.updated_at);
  assert.deepEqual(profile, {
    ...before,
    person: { ...before.person, nickname: "Ann" },
    segments: ["a"],
    updated_at: profile.updated_at,
  });
});

test("a null removes a field, or is refused", async () => {
  const { people_id } = one(people, (row) => row.notepad);
  await client.website.updatePeopleProfile(website, people_id, { notepad: null });
  assert.equal("notepad" in (await get(people_id)), false);
  await sandbox.control({ nulls: "refused" });
  await assertRejects(
    client.website.updatePeopleProfile(website, people_id, { notepad: null }),
    400,
    "invalid_data",
  );
});

test("another profile's address is refused, or taken by email_reuse", async () => {
  const [ann, bob] = people.filter((row) => row.email);
  const change = () =>
    client.website.updatePeopleProfile(website, ann.people_id, { email: bob.email });
  await assertRejects(change(), 409, "people_exists");
  await sandbox.control({ email_reuse: "taken" });
  await change();
  assert.equal((await get(ann.people_id)).email, bob.email);
});

test("savePeopleProfile erases what isn't sent", async () => {
  const before = one(people, (row) => row.company?.name && row.notepad);
  await client.website.savePeopleProfile(website, before.people_id, {
    email: "only@example.com",
    person: { nickname: "Only" },
  });
  const profile = await get("only@example.com");
  assert.deepEqual(profile.person, { nickname: "Only" });
  assert.equal("company" in profile || "notepad" in profile, false);
  assert.equal(profile.people_id, before.people_id);
});

test("removePeopleProfile removes a profile once", async () => {
  const { people_id } = people[0];
  await client.website.removePeopleProfile(website, people_id);
  await assertRejects(get(people_id), 404);
  await assertRejects(client.website.removePeopleProfile(website, people_id), 404);
});

test("updatePeopleData merges, savePeopleData erases", async () => {
  const { people_id } = people[0];
  await client.website.savePeopleData(website, people_id, { data: { a: 1, "b.c": "x" } });
  assert.deepEqual(await data(people_id), { a: 1, "b.c": "x" });
  await client.website.updatePeopleData(website, people_id, { data: { a: 2, d: true } });
  assert.deepEqual(await data(people_id), { a: 2, "b.c": "x", d: true });
  await client.website.savePeopleData(website, people_id, { data: { d: false } });
  assert.deepEqual(await data(people_id), { d: false });
  for (const value of [null, {}, []]) {
    await assertRejects(
      client.website.updatePeopleData(website, people_id, { data: { d: value } }),
      400,
      "invalid_data",
    );
  }
  await assertRejects(client.website.updatePeopleData(website, people_id, {}), 400);
  const suggested = await client.website.listSuggestedPeopleDataKeys(website, 1);
  assert.ok(one(suggested, ({ key }) => key === "d").count > 0);
});

test("addPeopleEvent adds an event, before all others", async () => {
  const { people_id } = people[0];
  const list = () => client.website.listPeopleEvents(website, people_id, 1);
  const event = { text: "paid", data: { sum: 9.9 }, color: "green" };
  await client.website.addPeopleEvent(website, people_id, event);
  const [first] = await list();
  assertConforms([first], "PeopleEvent");
  assert.deepEqual({ ...first, timestamp: undefined }, { ...event, timestamp: undefined });
  await client.website.addPeopleEvent(website, people_id, { text: "then", timestamp: 1767225600000 });
  assert.equal((await list())[0].timestamp, 1767225600000);
  await sandbox.control({ event_timestamp: "ignored" });
  await client.website.addPeopleEvent(website, people_id, { text: "then", timestamp: 1767225600000 });
  assert.notEqual((await list())[0].timestamp, 1767225600000);
  await assertRejects(client.website.addPeopleEvent(website, people_id, { color: "red" }), 400);
});

test("updatePeopleSubscriptionStatus changes a subscription", async () => {
  const { people_id } = people[0];
  for (const email of [true, false]) {
    await client.website.updatePeopleSubscriptionStatus(website, people_id, { email });
    assert.deepEqual(await client.website.getPeopleSubscriptionStatus(website, people_id), {
      email,
    });
  }
});

test("nobody can be changed who doesn't exist", async () => {
  const nobody = "00000000-0000-4000-8000-000000000000";
  await assertRejects(client.website.updatePeopleProfile(website, nobody, {}), 404);
  await assertRejects(client.website.updatePeopleData(website, nobody, { data: {} }), 404);
  await assertRejects(client.website.addPeopleEvent(website, nobody, { text: "x" }), 404);
  await assertRejects(
    client.website.updatePeopleSubscriptionStatus(website, nobody, { email: true }),
    404,
  );
});

test("any 2xx may be a success, and failures may tell nothing", async () => {
  for (const write_success of ["accepted", "partial"]) {
    await sandbox.control({ write_success });
    assert.match(
      (await add({ email: `${write_success}@example.com`, person: { nickname: "x" } })).people_id,
      uuid,
    );
  }
  await sandbox.control({ failure_data: "empty" });
  await assertRejects(add({ email: 1 }), 400, "invalid_data");
});

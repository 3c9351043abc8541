// Who may ask what, and how a refusal looks.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertConforms, assertRejects } from "./lib/assertions.mjs";
import { Sandbox } from "./lib/sandbox.mjs";

let sandbox, access, website, path;

before(async () => {
  sandbox = await Sandbox.start({ conversations: 60, people: 40, websites: 3 });
  access = sandbox.websiteAccess(0);
  website = access.website_id;
  path = `website/${website}/conversations/1`;
});
after(() => sandbox.stop());

const list = (credentials, website_id = website) =>
  sandbox.client(credentials).website.listConversations(website_id, 1);

test("every answer is an envelope of error, reason and data", async () => {
  const requests = [
    [access, "GET", path],
    [access, "GET", `website/${website}/people/stats`],
    [access, "GET", `website/${website}/operators/list`],
    [access, "GET", "no/such/route"],
    [access, "GET", `website/${website}/conversation/none`],
    [access, "GET", path.replace(/1$/, "0")],
    [null, "GET", path],
    [access, "PUT", path],
  ];
  for (const [credentials, method, where] of requests) {
    const { status, headers, body } = await sandbox.request(credentials, method, where);
    assertConforms([body], "Envelope");
    assert.deepEqual(Object.keys(body).sort(), ["data", "error", "reason"]);
    assert.equal(body.error, status >= 400, `${method} ${where}: ${status}`);
    assert.match(body.reason, /^[a-z_]+$/);
    assert.match(headers.get("content-type"), /^application\/json\b/);
  }
});

test("a request without credentials, or with wrong ones, is refused with 401", async () => {
  const { status, body } = await sandbox.request(null, "GET", path);
  assert.equal(status, 401);
  assert.equal(body.reason, "invalid_session");
  const wrong = [
    { ...access, key: "0".repeat(64) },
    { ...access, identifier: "00000000-0000-4000-8000-000000000000" },
    { ...access, key: "" },
    { ...access, tier: "plugin" },
    { ...access, tier: "user" },
    { ...access, tier: "nobody" },
  ];
  for (const credentials of wrong) {
    await assertRejects(list(credentials), 401, "invalid_session");
  }
});

test("a header that is no Basic authorization is refused with 401", async () => {
  for (const authorization of ["Bearer abc", "Basic", "Basic !!!", "Basic bm8gY29sb24="]) {
    const response = await fetch(`${sandbox.base}/${path}`, {
      headers: { Authorization: authorization, "X-Crisp-Tier": "website" },
    });
    assert.equal(response.status, 401, authorization);
    await response.arrayBuffer();
  }
});

test("a website's token opens that website alone", async () => {
  const other = sandbox.info.websites[1].website_id;
  assert.ok((await list(access)).length > 0);
  await assertRejects(list(access, other), 403, "not_allowed");
  await assertRejects(sandbox.client(access).plugin.getConnectAccount(), [401, 403]);
});

test("a plugin's token opens the websites that installed it", async () => {
  const plugin = sandbox.pluginAccess();
  const websites = sandbox.info.websites.map((row) => row.website_id);
  for (const website_id of websites.slice(0, -1)) {
    assert.ok((await list(plugin, website_id)).length > 0);
  }
  await assertRejects(list(plugin, websites.at(-1)), 403, "not_allowed");
});

test("a website that does not exist is not found", async () => {
  for (const credentials of [access, sandbox.pluginAccess()]) {
    await assertRejects(
      list(credentials, "00000000-0000-4000-8000-000000000000"),
      404,
      "website_not_found",
    );
  }
});

test("a route that does not exist is 404, a method that it lacks is 405", async () => {
  const ask = async (method, where) => (await sandbox.request(access, method, where)).status;
  assert.equal(await ask("GET", "no/such/route"), 404);
  assert.equal(await ask("GET", `website/${website}/nothing/list/1`), 404);
  assert.equal(await ask("DELETE", path), 405);
  assert.equal(await ask("POST", `website/${website}/people/stats`), 405);
});

test("a query parameter that nobody knows is ignored", async () => {
  const { status, body } = await sandbox.request(access, "GET", path, {
    query: { unheard_of: "1", per_page: 20 },
  });
  assert.equal(status, 206);
  assert.equal(body.data.length, 20);
});

test("a body that is no JSON is refused", async () => {
  const response = await fetch(
    `${sandbox.base}/website/${website}/conversation/session_x/state`,
    {
      method: "PATCH",
      headers: {
        Authorization: `Basic ${Buffer.from(`${access.identifier}:${access.key}`).toString("base64")}`,
        "X-Crisp-Tier": "website",
        "Content-Type": "application/json",
      },
      body: "{state: resolved",
    },
  );
  assert.ok([400, 404].includes(response.status));
  assert.equal((await response.json()).error, true);
});

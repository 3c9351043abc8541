// The helpdesk: locales, pages and feedback below them, redirections.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { assertConforms, assertRejects, sameKeys } from "./lib/assertions.mjs";
import { Sandbox } from "./lib/sandbox.mjs";
import { absentFields } from "./lib/types.mjs";

const contentTypes = ["articles", "guides", "references", "news"];
let sandbox, client, access, website, locales;

// All rows of a list below a locale and a content type.
const below = (list, locale, type, query = {}) =>
  sandbox.rows(access, `website/${website}/helpdesk/${list}/list/${locale}/${type}`, query);

// All rows of such lists.
async function allBelow(list) {
  const rows = [];
  for (const { locale } of locales) {
    for (const type of contentTypes) {
      rows.push(...(await below(list, locale, type)));
    }
  }
  return rows;
}

before(async () => {
  sandbox = await Sandbox.start({ conversations: 50, people: 50 });
  access = sandbox.websiteAccess(0);
  website = access.website_id;
  client = sandbox.client(access);
  locales = await client.website.listHelpdeskLocales(website, 1);
});
after(() => sandbox.stop());
afterEach(() => sandbox.reset());

test("locales are listed, and each is to be had by itself", async () => {
  assertConforms(locales, "HelpdeskLocale");
  assert.deepEqual(absentFields(locales, "HelpdeskLocale"), []);
  for (const locale of locales) {
    assert.deepEqual(await client.website.resolveHelpdeskLocale(website, locale.locale), locale);
  }
  await assertRejects(client.website.resolveHelpdeskLocale(website, "xx"), 404);
});

test("pages lie below a locale and a content type", async () => {
  const pages = await allBelow("page");
  assertConforms(pages, "HelpdeskPage");
  assert.deepEqual(absentFields(pages, "HelpdeskPage"), []);
  assert.equal(new Set(pages.map((row) => row.entity_id)).size, pages.length);
  for (const { locale, statistics } of locales.filter((row) => row.statistics)) {
    for (const type of contentTypes) {
      const rows = await below("page", locale, type);
      assert.equal(rows.length, statistics[type].entries);
      const first = await client.website.listHelpdeskPages(website, locale, type, 1);
      assert.deepEqual(first, rows.slice(0, 20));
    }
  }
  await assertRejects(client.website.listHelpdeskPages(website, "xx", "articles", 1), 404);
  await assertRejects(client.website.listHelpdeskPages(website, "en", "books", 1), 400);
});

test("feedback lies there, too, and may be asked for by date", async () => {
  const feedback = await allBelow("feedback");
  assertConforms(feedback, "HelpdeskLocaleFeedbackItem");
  assert.deepEqual(absentFields(feedback, "HelpdeskLocaleFeedbackItem"), []);
  const texts = feedback.map((row) => JSON.stringify(row));
  assert.ok(new Set(texts).size < texts.length, "some is given twice");

  const rows = await below("feedback", "en", "articles");
  const times = rows.map((row) => row.created_at).filter(Boolean).sort((a, b) => a - b);
  const [start, end] = [times[5], times[times.length - 5]];
  const iso = (time) => new Date(time).toISOString();
  const page = await client.website.listHelpdeskLocaleFeedbacks(
    website, "en", "articles", 1, iso(start), iso(end),
  );
  assert.ok(page.every((row) => row.created_at >= start && row.created_at <= end));
  for (const [date_bounds, first, last] of [
    ["inclusive", start, end],
    ["exclusive", start + 1, end - 1],
    ["start", start, end - 1],
    ["end", start + 1, end],
  ]) {
    await sandbox.control({ date_bounds });
    sameKeys(
      await below("feedback", "en", "articles", {
        filter_date_start: iso(start),
        filter_date_end: iso(end),
      }),
      rows.filter((row) => row.created_at >= first && row.created_at <= last),
      (row) => JSON.stringify(row),
    );
  }
  await sandbox.control({ honour_dates: false });
  assert.equal(
    (await below("feedback", "en", "articles", { filter_date_start: iso(end) })).length,
    rows.length,
  );
});

test("redirections are listed page by page", async () => {
  const path = `website/${website}/helpdesk/redirections`;
  const rows = await sandbox.rows(access, path);
  assertConforms(rows, "HelpdeskRedirection");
  assert.deepEqual(absentFields(rows, "HelpdeskRedirection"), []);
  assert.equal(new Set(rows.map((row) => row.redirection_id)).size, rows.length);
  assert.ok(rows.length > 40);
  const page = await client.website.listHelpdeskRedirections(website, 1);
  assert.deepEqual(page, rows.slice(0, page.length));
});

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

const directory = new URL("../src/", import.meta.url);
const files = (await readdir(directory)).filter((name) => /^resource_.*\.c$/.test(name));
const sources = await Promise.all(files.map((name) => readFile(new URL(name, directory), "utf8")));
const source = sources.join("\n");

// The columns of a resource as src/resource_*.c has them: [path, kind].  Those that read what
// was asked for are no fields, nor is CRISP_WEBSITE_COLUMN, and a field that is two columns, by the kind of its value, counts as the
// one for structures.
function catalog(resource) {
  const [, table] =
    new RegExp(`CrispColumn ${resource}_columns\\[\\] = \\{\n(.*?)\n\\};`, "s").exec(source) ?? [];
  assert.ok(table, `src/resource_*.c has a table of the columns of ${resource}`);
  return [...table.matchAll(/^\t\{"([a-z_.]+)", (CRISP_[A-Z_]+),(?!.*CRISP_(?:ASKED|STRINGS))/gm)].map(([, path, type]) => [
    path,
    kinds[type],
  ]);
}

for (const [resource, typeName] of [
  ["conversation", "Conversation"],
  ["message", "ConversationMessage"],
  ["people_profile", "PeopleProfile"],
  ["visitor", "WebsiteVisitor"],
  ["operator", "OperatorListOne"],
]) {
  test(`the columns of ${resource} are the fields of ${typeName}`, () => {
    assert.deepEqual(catalog(resource).sort(), fields(typeName).sort());
  });
}

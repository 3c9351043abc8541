// Assertions that several of the contract's tests make.

import assert from "node:assert/strict";
import { mismatches } from "./types.mjs";

/** Each of the rows has the fields of this type and no others, with their types. */
export function assertConforms(rows, typeName) {
  assert.ok(rows.length > 0, "there are rows to look at");
  assert.deepEqual(
    rows.flatMap((row) => mismatches(row, typeName)),
    [],
  );
}

/** The client's promise is rejected with this status (or one of these), and reason. */
export async function assertRejects(promise, status, reason) {
  const error = await promise.then(
    (value) => assert.fail(`not refused, but answered: ${JSON.stringify(value)?.slice(0, 200)}`),
    (rejected) => rejected,
  );
  assert.ok(!(error instanceof Error), error);
  assert.ok([status].flat().includes(error.code), `${error.code} ${error.message}`);
  if (reason !== undefined) {
    assert.equal(error.message, reason);
  }
}

/** The rows are in descending order of a time, and those without it come last. */
export function newestFirst(rows, field) {
  const times = rows.map((row) => row[field] ?? -Infinity);
  assert.deepEqual(
    times,
    [...times].sort((a, b) => b - a || 0),
  );
}

/** Both lists have the same rows, in whatever order. */
export function sameKeys(actual, expected, key) {
  assert.deepEqual(actual.map(key).sort(), expected.map(key).sort());
}

/** The first row that fits; that there is one is part of the test. */
export function one(rows, fits) {
  const found = rows.find(fits);
  assert.ok(found, `no row fits ${fits}`);
  return found;
}

// Checks JSON values against the TypeScript types of Crisp's official client,
// which are the most exact description of the API that there is.  The types
// are read with TypeScript's own compiler, from the client's declarations and
// from reference.d.ts here, which has what the client's types lack.

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const here = dirname(fileURLToPath(import.meta.url));
const client = dirname(createRequire(import.meta.url).resolve("crisp-api"));

const program = ts.createProgram(
  [join(client, "resources", "index.d.ts"), join(here, "reference.d.ts")],
  { strict: true, strictNullChecks: false, skipLibCheck: true, noEmit: true, types: [] },
);
const checker = program.getTypeChecker();

// The declared interfaces and type aliases by name; reference.d.ts is read
// last, so that it overrides the client.
const declared = new Map();
for (const file of program.getSourceFiles()) {
  if (file.fileName.startsWith(client) || file.fileName.startsWith(here)) {
    file.forEachChild((node) => {
      if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) {
        declared.set(node.name.text, node);
      }
    });
  }
}

function typeNamed(name) {
  const node = declared.get(name);
  if (!node) {
    throw new Error(`the client has no type ${name}`);
  }
  return checker.getTypeAtLocation(node);
}

function properties(type) {
  return checker.getPropertiesOfType(type).map((symbol) => ({
    name: symbol.name,
    optional: (symbol.flags & ts.SymbolFlags.Optional) !== 0,
    type: checker.getTypeOfSymbol(symbol),
  }));
}

const isAnything = (type) => (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) !== 0;
const elementOf = (type) => checker.getTypeArguments(type)[0];
const isPlainObject = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value);

// What is wrong with `value` as a `type`: an array of messages, which is empty
// when nothing is.  An optional property may be null too: the reference says
// that fields "may be missing or null".
function complaints(value, type, path) {
  const wrong = [`${path}: ${JSON.stringify(value)} is no ${checker.typeToString(type)}`];
  const verdict = (good) => (good ? [] : wrong);

  if (isAnything(type)) {
    return [];
  }
  if (type.isUnion()) {
    const verdicts = type.types.map((one) => complaints(value, one, path));
    return verdict(verdicts.some((one) => one.length === 0));
  }
  if (type.isStringLiteral() || type.isNumberLiteral()) {
    return verdict(value === type.value);
  }
  if (type.flags & ts.TypeFlags.BooleanLiteral) {
    return verdict(value === (type.intrinsicName === "true"));
  }
  if (type.flags & ts.TypeFlags.String) {
    return verdict(typeof value === "string");
  }
  if (type.flags & ts.TypeFlags.Number) {
    return verdict(typeof value === "number" && Number.isFinite(value));
  }
  if (type.flags & ts.TypeFlags.NonPrimitive) {
    return verdict(isPlainObject(value));
  }
  if (checker.isArrayType(type)) {
    return Array.isArray(value)
      ? value.flatMap((one, i) => complaints(one, elementOf(type), `${path}[${i}]`))
      : wrong;
  }
  const index = checker.getIndexInfoOfType(type, ts.IndexKind.String);
  if (Array.isArray(value) && index && isAnything(index.type)) {
    return [];
  }
  return isPlainObject(value) ? objectComplaints(value, type, path) : wrong;
}

function objectComplaints(value, type, path) {
  const found = [];
  const known = new Map(properties(type).map((property) => [property.name, property]));
  const index = checker.getIndexInfoOfType(type, ts.IndexKind.String);

  for (const { name, optional } of known.values()) {
    if (!optional && (value[name] === undefined || value[name] === null)) {
      found.push(`${path}.${name}: is missing`);
    }
  }
  for (const [name, member] of Object.entries(value)) {
    const property = known.get(name);
    const memberType = property?.type ?? index?.type;
    if (!memberType) {
      found.push(`${path}.${name}: is not documented`);
    } else if (member !== null || !(property?.optional ?? false)) {
      found.push(...complaints(member, memberType, `${path}.${name}`));
    }
  }
  return found;
}

/** What is wrong with `value` as the type of this name: an array of messages. */
export function mismatches(value, typeName) {
  return complaints(value, typeNamed(typeName), typeName);
}

// The paths of all fields of a type: "meta.device.system.os.name", and
// "participants[].target" in arrays.  Free-form objects, and a field that may
// be one of several objects, end a path.
function fieldPaths(type, path) {
  if (checker.isArrayType(type)) {
    return fieldPaths(elementOf(type), `${path}[]`);
  }
  const isStructure =
    (type.flags & ts.TypeFlags.Object) !== 0 &&
    !checker.getIndexInfoOfType(type, ts.IndexKind.String);
  if (!isStructure || isAnything(type)) {
    return [path];
  }
  return properties(type).flatMap((property) =>
    fieldPaths(property.type, path ? `${path}.${property.name}` : property.name),
  );
}

// The paths at which `value` holds something that is not null.
function collectPaths(value, path, into) {
  if (value === null || value === undefined) {
    return;
  }
  into.add(path);
  if (Array.isArray(value)) {
    value.forEach((one) => collectPaths(one, `${path}[]`, into));
  } else if (typeof value === "object") {
    for (const [name, member] of Object.entries(value)) {
      collectPaths(member, path ? `${path}.${name}` : name, into);
    }
  }
}

/** The documented fields of a type that none of the values has. */
export function absentFields(values, typeName) {
  const present = new Set();
  values.forEach((value) => collectPaths(value, "", present));
  return fieldPaths(typeNamed(typeName), "").filter((path) => !present.has(path));
}

// What a column of a table can make of a type.
function kindOf(type) {
  if (checker.isArrayType(type)) {
    return kindOf(elementOf(type)) === "string" ? "string[]" : "json";
  }
  const kinds = (type.isUnion() ? type.types : [type]).map((one) => {
    if (one.flags & ts.TypeFlags.StringLike) {
      return "string";
    }
    if (one.flags & ts.TypeFlags.NumberLike) {
      return "number";
    }
    return one.flags & ts.TypeFlags.BooleanLike ? "boolean" : "json";
  });
  return new Set(kinds).size === 1 ? kinds[0] : "json";
}

/**
 * The fields of a type as the columns of a table: [path, kind], where a kind is
 * string, number, boolean, string[] or json, and arrays are one column.
 */
export function fields(typeName) {
  const flat = (type, path) =>
    properties(type).flatMap((property) => {
      const here = path ? `${path}.${property.name}` : property.name;
      const isStructure =
        (property.type.flags & ts.TypeFlags.Object) !== 0 &&
        !checker.isArrayType(property.type) &&
        !checker.getIndexInfoOfType(property.type, ts.IndexKind.String);
      return isStructure ? flat(property.type, here) : [[here, kindOf(property.type)]];
    });
  return flat(typeNamed(typeName), "");
}

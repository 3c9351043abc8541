// The SQL for the extension pgsql-http: as good as one can write it.  One
// connection is kept, the statuses 206 and 200 tell which page is the last, a
// page is parsed once, and every column is taken out of it by its path.

const quote = (text) => `'${text.replaceAll("'", "''")}'`;

/** How a column of this type is made of the JSON object "row". */
function expression({ keys, type, value }) {
  if (value) {
    return `${quote(value)}::${type}`;
  }
  const path = `'{${keys.join(",")}}'`;
  switch (type) {
    case "text":
      return `row #>> ${path}`;
    case "jsonb":
      return `nullif(row #> ${path}, 'null')`;
    case "text[]":
      return `CASE jsonb_typeof(row #> ${path}) WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements_text(row #> ${path})) END`;
    case "timestamp with time zone":
      return `to_timestamp((row #>> ${path})::bigint / 1000.0)`;
    default:
      return `(row #>> ${path})::${type}`;
  }
}

/** Statements to run once in a session, before what is measured. */
export function setup({ tier, identifier, key }) {
  const basic = Buffer.from(`${identifier}:${key}`).toString("base64");
  return [
    "LOAD 'http'",
    "SET http.keepalive = 1",
    `CREATE OR REPLACE FUNCTION pg_temp.crisp_get(url text) RETURNS http_response LANGUAGE sql VOLATILE AS $$
       SELECT http(('GET', url, ARRAY[http_header('Authorization', ${quote(`Basic ${basic}`)}),
                                      http_header('X-Crisp-Tier', ${quote(tier)})], NULL, NULL)::http_request) $$`,
  ];
}

/** The statement that does the work. */
export function statement(work, columns) {
  const url = work.sandbox.url(work.path);
  const query = new URLSearchParams(work.options).toString();
  const list = columns.map((column) => `${expression(column)} AS ${column.name}`).join(",\n  ");
  if (work.sessionId) {
    return `SELECT ${list}
      FROM (SELECT (pg_temp.crisp_get(${quote(url)})).content::jsonb -> 'data' AS row OFFSET 0) answer`;
  }
  const target = (number) => `${quote(url)} || ${number} || ${quote(`?${query}`)}`;
  const first = `SELECT 1 AS number, answer.* FROM pg_temp.crisp_get(${target("1")}) answer`;
  const pages = work.limit
    ? first
    : `${first}
       UNION ALL
       SELECT number + 1, answer.*
         FROM page CROSS JOIN LATERAL pg_temp.crisp_get(${target("(number + 1)")}) answer
        WHERE page.status = 206`;
  return `${work.loads ? "CREATE TABLE loaded AS " : ""}
    WITH RECURSIVE page AS (${pages})
    SELECT ${list}
      FROM page CROSS JOIN LATERAL jsonb_array_elements(page.content::jsonb -> 'data') AS element(row)
    ${work.limit ? `LIMIT ${work.limit}` : ""}`;
}

// The report, as Markdown, and the data of the chart.

import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { median, pairedRatio } from "./statistics.mjs";

const wall = (run) => run.wallMs;
const cpu = (run) => run.cpuMs;

/** The floor that asks for as many pages at a time as a contestant, or the one that there is. */
function floorOf(contestant, runs) {
  const floors = unique(runs.map((run) => run.contestant)).filter((name) => isFloor(name));
  const equal = `floor, ${/, (\d+)$/.exec(contestant)?.[1] ?? 1}`;
  return floors.includes(equal) ? equal : floors[0];
}

function isFloor(contestant) {
  return contestant.startsWith("floor");
}

function unique(values) {
  return [...new Set(values)];
}

function number(value, digits = 0) {
  return value === undefined || Number.isNaN(value)
    ? ""
    : value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function milliseconds(value) {
  return number(value, value < 100 ? 1 : 0);
}

function mebibytes(run) {
  const client = number(run.peakKb / 1024, 1);
  return run.backendPeakKb ? `${client} + ${number(run.backendPeakKb / 1024, 1)}` : client;
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, i) => (i === 0 ? "---" : "---:"));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

/** Everything that was measured of one work at one latency. */
function section(runs) {
  const again = runs.some((run) => run.againMs !== undefined);
  const rounds = Math.max(...runs.map((run) => run.round)) + 1;
  const rows = unique(runs.map((run) => run.contestant)).map((contestant) => {
    const own = runs.filter((run) => run.contestant === contestant);
    const ratio = (quantity) =>
      isFloor(contestant)
        ? ""
        : number(pairedRatio(runs, contestant, floorOf(contestant, runs), quantity), 2);
    return [
      contestant,
      milliseconds(median(own.map(wall))),
      ratio(wall),
      ...(again ? [milliseconds(median(own.map((run) => run.againMs)))] : []),
      milliseconds(median(own.map(cpu))),
      ratio(cpu),
      mebibytes(own[0]),
      number(median(own.map((run) => run.requests))),
      number(median(own.map((run) => run.connections))),
    ];
  });
  const head = [
    "",
    "wall, ms",
    "÷ floor",
    ...(again ? ["again, ms"] : []),
    "CPU, ms",
    "÷ floor",
    "peak, MiB",
    "requests",
    "connections",
  ];
  const { title, latency } = runs[0];
  return `### ${title[0].toUpperCase()}${title.slice(1)}, ${latency} ms\n\nMedians of ${rounds} ${rounds === 1 ? "round" : "rounds"}.\n\n${table(head, rows)}\n`;
}

function growthSection(growth) {
  const rows = growth.map((run) => [
    number(run.conversations),
    number(run.wallMs / 1e3, 2),
    number((run.cpuMs / run.conversations) * 1e3, 1),
    number(run.privateKb / 1024, 1),
    number(run.peakKb / 1024, 1),
    number(run.requests),
  ]);
  const head = ["conversations", "wall, s", "CPU a row, µs", "private, MiB", "peak, MiB", "requests"];
  return `### How ${growth[0].contestant} grows, 0 ms\n\n${table(head, rows)}\n`;
}

function machine() {
  const memory = number(totalmem() / 2 ** 30);
  const debian = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  return `${cpus().length} × ${cpus()[0].model.trim()}, ${memory} GiB, ${debian}, Linux ${release()}`;
}

/** The runs, one list for each work and latency. */
function sections(results) {
  const keys = unique(results.map((run) => `${run.title} ${run.latency}`));
  return keys.map((key) => results.filter((run) => `${run.title} ${run.latency}` === key));
}

export function report({ date, quick, version, results, writing, growth }) {
  const written = median(writing.map(cpu));
  return `# crisp_fdw: benchmark

${date.slice(0, 10)}, ${machine()}, PostgreSQL ${version}, Node ${process.versions.node}${quick ? ", quick mode" : ""}.
The number after a name tells how many pages are asked for at a time.
Ratios are medians over paired rounds, to the floor that asks for as many.

${sections(results).map(section).join("\n")}
${growthSection(growth)}
### PostgreSQL's own share

Writing the table of ${number(writing[0].conversations)} conversations from a local copy of it takes ${milliseconds(written)} ms of CPU.
`;
}

/** What chart.gp draws, as lines of fields: all of 10,000 conversations. */
export function chartData({ results }) {
  const runs = results.filter((run) => run.work === "all" && run.conversations === 10000);
  const seconds = (contestant, latency, quantity) =>
    median(
      runs
        .filter((run) => run.contestant === contestant && run.latency === latency)
        .map(quantity),
    ) / 1e3;
  return unique(runs.map((run) => run.contestant))
    .map((name) =>
      [name, seconds(name, 0, wall), seconds(name, 50, wall), seconds(name, 0, cpu)].join("\t"),
    )
    .join("\n");
}

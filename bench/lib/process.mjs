// What a process has used, from /proc.

import { readFileSync } from "node:fs";

/**
 * CPU time (user and system) of a process that has one thread, in
 * milliseconds.  The scheduler counts it in nanoseconds; the times in
 * /proc/PID/stat would be in hundredths of a second.
 */
export function cpuMs(pid) {
  return Number(readFileSync(`/proc/${pid}/schedstat`, "latin1").split(" ")[0]) / 1e6;
}

/** A field of /proc/PID/status in KiB: VmHWM, RssAnon, … */
export function memoryKb(pid, field) {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, "m").exec(status)[1]);
}

/**
 * Watches a process's private memory, of which the kernel keeps no peak, by
 * looking at it now and then.
 */
export class PrivateMemoryWatch {
  constructor(pid, everyMs = 50) {
    this.pid = pid;
    this.peakKb = memoryKb(pid, "RssAnon");
    this.timer = setInterval(() => this.#look(), everyMs);
  }

  #look() {
    this.peakKb = Math.max(this.peakKb, memoryKb(this.pid, "RssAnon"));
  }

  stop() {
    this.#look();
    clearInterval(this.timer);
    return this.peakKb;
  }
}

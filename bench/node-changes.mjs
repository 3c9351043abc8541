// How one makes many requests with Node: Crisp's official client, one after the other.
//
//   node node-changes.mjs JSON
//
// The argument tells the work, its keys, and where Crisp is.  Prints what it took as JSON; the
// start of Node doesn't count.

import { Crisp } from "crisp-api";
import { memoryKb } from "./lib/process.mjs";

const { work, keys, origin, websiteId, token } = JSON.parse(process.argv[2]);

const crisp = new Crisp();
crisp.setRestHost(origin);
crisp.authenticateTier(token.tier, token.identifier, token.key);

const request = {
  messages: (id) => crisp.website.getMessagesInConversation(websiteId, id, undefined),
  resolve: (id) => crisp.website.changeConversationState(websiteId, id, "resolved"),
  profiles: (id) => crisp.website.updatePeopleProfile(websiteId, id, { notepad: `of ${id}` }),
}[work];

const cpuBefore = process.cpuUsage();
const began = process.hrtime.bigint();
for (const key of keys) {
  await request(key);
}
const wallMs = Number(process.hrtime.bigint() - began) / 1e6;
const cpu = process.cpuUsage(cpuBefore);
console.log(
  JSON.stringify({
    wallMs,
    cpuMs: (cpu.user + cpu.system) / 1e3,
    peakKb: memoryKb(process.pid, "VmHWM"),
  }),
);

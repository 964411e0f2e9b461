/**
 * Overhead of small operator calls, on four numbers: into a new tensor, in place, with a list, and with a gradient; beside Python's
 * PyTorch, in turn. `npm run bench -- operator`
 */
import { cat, ones, scope, setThreads } from "../src/torch/index.ts";
import { against } from "./lib/against.ts";
import { parseCase, roundsOf } from "./lib/options.ts";
import { findPeer, peerName, startPeer } from "./lib/peer.ts";
import { type Row, report } from "./lib/result.ts";
import { secondsOf } from "./measure.ts";

/** Calls between two scopes, as between two ends of a training step. */
const IN_SCOPE = 1000;

const options = parseCase({});
const rounds = roundsOf(options, 7);
const CALLS = options.quick ? 20_000 : 100_000;
setThreads(1);

const x = ones([4]);
const y = ones([4]);
const w = ones([4]).requiresGrad_();
const cases: { name: string; what: string; body: () => unknown; goal?: string; calls?: number }[] = [
  { name: "add", what: "x + y", body: () => x.add(y), goal: "≤ 1.5" },
  { name: "add_", what: "x += y", body: () => x.add_(y) },
  { name: "cat", what: "cat [x, y]", body: () => cat([x, y]) },
  { name: "backward", what: "gradient of Σ x · w", body: () => x.mul(w).sum().backward(), calls: CALLS / 10 },
];

/** Seconds a call. */
function ours(body: () => unknown, calls: number): number {
  const seconds = secondsOf(() => {
    for (let i = 0; i < calls / IN_SCOPE; i++) {
      scope(() => {
        for (let k = 0; k < IN_SCOPE; k++) body();
      });
    }
  });
  return seconds / calls;
}

const peer = findPeer("cpu");
await using python = typeof peer === "string" ? null : startPeer(peer, 1);
await python?.ask({ do: "threads", threads: 1 });
const rows: Row[] = [];
for (const { name, what, body, goal, calls = CALLS } of cases) {
  const theirs = python ? () => python.number({ do: "operator", name, calls }) : String(peer);
  const numbers = await against(rounds, () => ours(body, calls), theirs);
  rows.push({ what, ...numbers, more: { goal: goal ?? "" } });
}
report({
  benchmark: "operator",
  sections: [{ title: "Operator calls on four numbers, one thread", unit: "seconds", peer: peerName(peer), rows }],
});

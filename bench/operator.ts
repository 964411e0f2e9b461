/**
 * Overhead of one small operator call: adding two tensors of four numbers, in a scope and in place; beside Python's PyTorch where
 * python3 has one, in turn with ours so that both see the same machine. `npm run bench -- operator`
 */
import { execFileSync } from "node:child_process";
import { ones, scope, setThreads } from "../src/torch/index.ts";
import { median, print } from "./measure.ts";

const CALLS = 200_000;
const ROUNDS = 7;

const script = `
import time, torch
torch.set_num_threads(1)
x, y = torch.ones(4), torch.ones(4)
def run(f, n):
    t = time.perf_counter()
    for _ in range(n): f(y)
    return (time.perf_counter() - t) / n * 1e6
run(x.add, ${CALLS} // 10)
print(torch.__version__, run(x.add, ${CALLS}), run(x.add_, ${CALLS}))
`;

function python(): { version: string; add: number; inPlace: number } | null {
  try {
    const text = execFileSync(process.env.PYTHON ?? "python3", ["-c", script], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [version, add, inPlace] = text.trim().split(" ");
    return { version: version!, add: Number(add), inPlace: Number(inPlace) };
  } catch {
    return null; // no python3, or one without torch
  }
}

function ours(): { add: number; inPlace: number } {
  const x = ones([4]);
  const y = ones([4]);
  const time = (body: () => void) => {
    const start = performance.now();
    body();
    return ((performance.now() - start) * 1000) / CALLS;
  };
  const add = time(() => {
    for (let i = 0; i < CALLS / 1000; i++) {
      scope(() => {
        for (let k = 0; k < 1000; k++) x.add(y);
      });
    }
  });
  const inPlace = time(() => {
    for (let i = 0; i < CALLS; i++) x.add_(y);
  });
  return { add, inPlace };
}

setThreads(1);
ours();
const rounds = Array.from({ length: ROUNDS }, () => ({ own: ours(), peer: python() }));
const peers = rounds.flatMap(({ peer }) => peer ?? []);
const result = {
  benchmark: "operator",
  microseconds: { add: median(rounds.map((r) => r.own.add)), add_: median(rounds.map((r) => r.own.inPlace)) },
  python:
    peers.length === 0
      ? null
      : {
          version: peers[0]!.version,
          microseconds: { add: median(peers.map((p) => p.add)), add_: median(peers.map((p) => p.inPlace)) },
          ratio: {
            add: median(rounds.map(({ own, peer }) => own.add / peer!.add)),
            add_: median(rounds.map(({ own, peer }) => own.inPlace / peer!.inPlace)),
          },
        },
};
const us = (value: number) => `${value.toFixed(2)} µs`;
const lines = [`add ${us(result.microseconds.add)}, add_ ${us(result.microseconds.add_)} a call (median of ${ROUNDS})`];
if (result.python) {
  const { version, microseconds, ratio } = result.python;
  lines.push(`Python's torch ${version}: add ${us(microseconds.add)}, add_ ${us(microseconds.add_)}`);
  lines.push(`ratio: add ${ratio.add.toFixed(2)}, add_ ${ratio.add_.toFixed(2)}`);
} else lines.push("no torch in python3, so no peer (PYTHON=… names another interpreter)");
print(result, lines.join("\n"));

/**
 * Forward and backward of ResNet-50 and ResNeSt-50 in training mode, float32 and bfloat16, channels first and last, beside the same
 * networks in Python's PyTorch, in turn. Each case and side has a process of its own. `npm run bench -- networks`, with other figures
 * `npm run bench -- networks --images=8 --size=224`
 */
import path from "node:path";
import { against } from "./lib/against.ts";
import { parseCase, roundsOf } from "./lib/options.ts";
import { findPeer, peerName, startPeer } from "./lib/peer.ts";
import { Measurer } from "./lib/process.ts";
import { type Row, report } from "./lib/result.ts";

const TSX = path.resolve(import.meta.dirname, "../node_modules/tsx/dist/cli.mjs");
const SIDE = path.resolve(import.meta.dirname, "lib/torch-side.ts");

// 0: what a step of the device's usual size has.
const options = parseCase({ images: 0, size: 0 });
const { device, threads } = options;
const images = options.images || (device === "cpu" ? 4 : 32);
const size = options.size || (device === "cpu" ? 256 : 512);
const rounds = roundsOf(options, 5);
const precisions = [false, true];
const layouts = options.quick ? [true] : [false, true];

const peer = findPeer(device);
const from = Date.now();
const rows: Row[] = [];
const details: object[] = [];
for (const network of ["resnet50", "resnest50"]) {
  for (const bf16 of precisions) {
    for (const channelsLast of layouts) {
      const request = { network, images, size, bf16, channels_last: channelsLast, device };
      const { row, left } = await measureCase(request);
      rows.push(row);
      details.push({ ...request, tensors_left: left });
    }
  }
}

async function measureCase(request: { network: string; bf16: boolean; channels_last: boolean }) {
  await using own = new Measurer("csrm", process.execPath, [TSX, SIDE]);
  await using python = typeof peer === "string" ? null : startPeer(peer, threads);
  for (const side of [own, python]) await side?.ask({ do: "threads", threads });
  const prepared = await own.number({ ...request, do: "prepare_network" }, "parameters");
  const theirs = await python?.number({ ...request, do: "prepare_network" }, "parameters");
  if (theirs !== undefined && theirs !== prepared)
    throw new Error(`${prepared} parameters here, ${theirs} in the peer`);
  const run = { do: "run_network" };
  const before = await own.number(run, "live");
  const numbers = await against(rounds, () => own.number(run), python ? () => python.number(run) : String(peer));
  const memory = async (side: Measurer | null) =>
    side ? `${((await side.number({ do: "memory" }, "peak_mib")) / 1024).toFixed(2)}` : "–";
  const left = (await own.number({ do: "memory" }, "live")) - before;
  const { network, bf16, channels_last } = request;
  const name = { resnet50: "ResNet-50", resnest50: "ResNeSt-50 (output stride 16)" }[network];
  const row: Row = {
    what: `${name}, ${bf16 ? "bf16" : "fp32"}, channels ${channels_last ? "last" : "first"}`,
    ...numbers,
    more: {
      "peak memory, GiB, csrm / peer": `${await memory(own)} / ${await memory(python)}`,
      "tensors left": String(left),
    },
  };
  return { row, left };
}

report({
  benchmark: "networks",
  timed: { from, to: Date.now() },
  sections: [
    {
      title: `Forward and backward, ${images} images of ${size}², ${device === "cpu" ? `${threads} threads` : device}`,
      unit: "seconds",
      peer: peerName(peer),
      rows,
    },
  ],
  details,
});

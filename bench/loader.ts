/**
 * Training pictures a second, from files to batches of bytes: csrm's loader beside torchvision's usual one (Pillow, transforms,
 * DataLoader), in turn, by number of workers. A round is every picture once, from a cold loader on. `npm run bench -- loader`
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Augment, augmentDefaults } from "../src/data/augment.ts";
import { Loader } from "../src/data/loader.ts";
import { against } from "./lib/against.ts";
import { parseCase, roundsOf } from "./lib/options.ts";
import { findPeer, lacksTorchvision, type Peer, startPeer } from "./lib/peer.ts";
import { photographs } from "./lib/photographs.ts";
import { type Row, report } from "./lib/result.ts";
import { significant } from "./lib/table.ts";

const BATCH = 8;
const JITTER = 0.25;

const options = parseCase({ pictures: 0, size: 256 });
const rounds = roundsOf(options, 4);
const pictures = options.pictures || (options.quick ? 32 : 128);
const batches = Math.floor(pictures / BATCH);
const { size } = options;
const peer = findPeer("cpu");
const lacking = lacksTorchvision(peer);
const jitter = { probability: 1, brightness: JITTER, contrast: JITTER, saturation: JITTER, hue: JITTER };
const { scale } = augmentDefaults;
const ways: { what: string; augment: Partial<Augment>; peer: object }[] = [
  { what: "resized, flipped", augment: { crop: "resize" }, peer: { crop: "resize" } },
  {
    what: "scaled, cut, flipped, jittered",
    augment: { crop: "scale_crop", scale, jitter },
    peer: { crop: "scale_crop", scale, jitter: JITTER },
  },
];

const folder = mkdtempSync(path.join(tmpdir(), "csrm-bench-"));
try {
  const { dataset, what: source } = await photographs(batches * BATCH, folder);
  const files = dataset.samples.map(({ image }) => image);
  const rows: Row[] = [];
  for (const { what, augment, peer: peerAugment } of ways) {
    for (const workers of options.quick ? [2] : [0, 1, 2, 4]) {
      const ours = async () => {
        const start = performance.now();
        const loader = new Loader(dataset, { batchSize: BATCH, size: [size, size], augment, workers });
        for (let batch = 0; batch < batches; batch++) await loader.next();
        const seconds = (performance.now() - start) / 1000;
        await loader.close();
        return seconds / files.length;
      };
      await using python = lacking === null ? startPeer(peer as Peer, 1) : null;
      await python?.ask({ do: "prepare_loader", files, size, batch: BATCH, workers, ...peerAugment });
      const theirs = python ? async () => (await python.number({ do: "run_loader" })) / files.length : String(lacking);
      const numbers = await against(rounds, ours, theirs);
      const perSecond = significant(1 / numbers.value.median);
      const peerRate = typeof numbers.peer === "object" ? significant(1 / numbers.peer.median) : "–";
      rows.push({
        what: `${what}, ${workers} workers`,
        ...numbers,
        more: { "images/s, csrm / peer": `${perSecond} / ${peerRate}` },
      });
    }
  }
  report({
    benchmark: "loader",
    source,
    sections: [
      {
        title: `Loading ${files.length} ${source}, batches of ${BATCH} at ${size}²: time an image`,
        unit: "seconds",
        peer: lacking === null ? `torchvision ${(peer as Peer).torchvision}` : "torchvision",
        rows,
        notes: [
          "csrm's workers are batches made ahead by four threads of the process; torchvision's are processes, 0 being the main one.",
        ],
      },
    ],
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}

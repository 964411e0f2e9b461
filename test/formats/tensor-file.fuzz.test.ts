/** Thousands of damaged files, each the same on every run: only errors that name the file may come out, and no memory may pile up. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { memoryBytes } from "../../src/byte-source.ts";
import { Rng } from "../../src/data/rng.ts";
import { CsrmError } from "../../src/errors.ts";
import { readTensorFile } from "../../src/formats/tensor-file.ts";
import { readZip, writeZip } from "../../src/formats/zip.ts";

const golden = (name: string) => readFileSync(new URL(`../golden/${name}`, import.meta.url));
const MUTATIONS = 1500;
/** Bytes that mean something to a pickle, so that damage goes deeper than the first instruction. */
const INSTRUCTIONS = [
  ...Buffer.from("(0129NIJKMLFSTUBCVX]lae)t}dsupqrghjcRbPQ."),
  0x81,
  0x85,
  0x86,
  0x87,
  0x8a,
  0x8b,
  0xff,
];

function mutated(bytes: Uint8Array, rng: Rng): Uint8Array {
  const copy = new Uint8Array(bytes);
  const from = rng.int(copy.length);
  switch (rng.int(5)) {
    case 0:
      return copy.subarray(0, from);
    case 1: // a piece is missing
      return Buffer.concat([copy.subarray(0, from), copy.subarray(Math.min(copy.length, from + 1 + rng.int(16)))]);
    case 2: // a piece is repeated
      return Buffer.concat([copy.subarray(0, from), copy.subarray(Math.max(0, from - rng.int(64)))]);
    case 3:
      for (let n = rng.int(4); n >= 0; n--) copy[rng.int(copy.length)] = INSTRUCTIONS[rng.int(INSTRUCTIONS.length)]!;
      return copy;
    default:
      for (let n = rng.int(4); n >= 0; n--) copy[rng.int(copy.length)] = rng.int(256);
      return copy;
  }
}

/** Damages the pickle alone and packs the archive again, so that checksums do not catch it. */
function repacked(bytes: Uint8Array, rng: Rng): Uint8Array {
  const members = [...readZip(bytes, "golden").values()].map(({ name, read }) => ({ name, data: read() }));
  const pickle = members.find(({ name }) => name.endsWith("data.pkl"))!;
  pickle.data = mutated(pickle.data, rng);
  return writeZip(members);
}

const cases: [string, Uint8Array, (bytes: Uint8Array, rng: Rng) => Uint8Array][] = [
  ["torch-zip.pth", golden("torch-zip.pth"), mutated],
  ["the pickle in torch-zip.pth", golden("torch-zip.pth"), repacked],
  ["the pickle in torch-checkpoint.pth", golden("torch-checkpoint.pth"), repacked],
  ["torch-legacy.pth", golden("torch-legacy.pth"), mutated],
  ["torch-checkpoint-legacy.pth", golden("torch-checkpoint-legacy.pth"), mutated],
  ["torch-deflated.pth", golden("torch-deflated.pth"), mutated],
  ["cams-deflated.npz", golden("cams-deflated.npz"), mutated],
];

it.each(cases)("damage to %s gives its tensors or a named error", (name, bytes, damage) => {
  const rng = new Rng("fuzz", name);
  let refused = 0;
  const before = process.memoryUsage.rss();
  for (let i = 0; i < MUTATIONS; i++) {
    const input = damage(bytes, rng);
    try {
      const { tensors } = readTensorFile(memoryBytes(input, "damaged.pth"));
      let total = 0;
      for (const tensor of tensors.values()) total += tensor.read().length;
      expect(total).toBeLessThanOrEqual(16 * input.length + 2 ** 20);
    } catch (error) {
      if (!(error instanceof CsrmError)) throw new Error(`mutation ${i} of ${name}`, { cause: error });
      expect(error.message).toContain("damaged.pth");
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(MUTATIONS / 3);
  expect(process.memoryUsage.rss() - before).toBeLessThan(300 * 2 ** 20);
});

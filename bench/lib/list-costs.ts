/** What a list of many images costs before any of them is opened: listing the folder, reading tags, looking for results. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openDataset } from "../../src/data/dataset.ts";
import { isNewer } from "../../src/resumable.ts";

/** A thing of which there is one an image, with its price. */
export interface Cost {
  what: string;
  /** Seconds of one processor core an image; null where only bytes are counted. */
  core_seconds: number | null;
  /** Seconds by the clock an image. */
  seconds: number | null;
  /** Bytes an image, on disk or, for lists, in memory. */
  bytes: number | null;
}

/** Does work on `count` images and tells what one took. */
export async function costOf(what: string, count: number, work: () => unknown): Promise<Cost> {
  const [cpu, start] = [process.cpuUsage(), performance.now()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return {
    what,
    core_seconds: (user + system) / 1e6 / count,
    seconds: (performance.now() - start) / 1000 / count,
    bytes: null,
  };
}

const FOLDERS = 100;

/** Empty files in folders of hundreds, a tags.csv of two tags a row, and what opening them as a data set takes. @param root an empty folder */
export async function listCosts(root: string, count: number): Promise<Cost[]> {
  const ids = Array.from(
    { length: count },
    (_, i) => `${String(i % FOLDERS).padStart(3, "0")}/image-${String(i).padStart(9, "0")}`,
  );
  const images = join(root, "images");
  mkdirSync(images, { recursive: true });
  for (let i = 0; i < FOLDERS; i++) mkdirSync(join(images, String(i).padStart(3, "0")), { recursive: true });
  for (const id of ids) writeFileSync(join(images, `${id}.jpg`), "");
  const csv = join(root, "tags.csv");
  const text = ["image,tags", ...ids.map((id) => `${id}.jpg,dog;person`)].join("\n");
  writeFileSync(csv, text);
  const open = (tags: string) => openDataset({ layout: "folder", root: images, tags, classes: "voc" });
  const kept: unknown[] = [];
  const held = async (what: string, work: () => Promise<unknown>): Promise<Cost> => {
    const before = heap();
    const cost = await costOf(what, count, async () => kept.push(await work()));
    return { ...cost, bytes: (heap() - before) / count };
  };
  const list = await held("list of images: a folder listed, kept in memory", () => open("none"));
  const tagged = await held("list and tags: the folder and tags.csv, kept in memory", () => open(csv));
  const looked = await costOf("looking whether a result is there (local disk)", count, async () => {
    for (const id of ids) await isNewer(join(images, `${id}.jpg`), join(images, `${id}.jpg`));
  });
  const row = { what: "a row of tags.csv on disk", core_seconds: null, seconds: null, bytes: text.length / count };
  if (kept.length !== 2 || readdirSync(images).length !== FOLDERS) throw new Error("the lists were not kept");
  return [list, tagged, looked, row];
}

/** JavaScript's memory without garbage where the collector can be called (node --expose-gc), else with. */
function heap(): number {
  (globalThis as { gc?: () => void }).gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

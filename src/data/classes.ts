/** Class tables: those of VOC, COCO and the toy set, own ones from a file of lines `id name`, and subsets of any. */

import { existsSync } from "node:fs";
import { suggestion } from "../did-you-mean.ts";
import { CsrmError, expected } from "../errors.ts";
import { readTextSync } from "../files.ts";
import { CREATURES } from "./toy/creatures.ts";
import type { ClassTable } from "./types.ts";

const VOC = `aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person pottedplant
sheep sofa train tvmonitor`.split(/\s+/);

// In the contiguous order of 1..80 that segmentation masks of COCO use, not the gappy category ids of its annotations.
const COCO =
  `person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, handbag, tie,
suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard, tennis racket,
bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut,
cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven,
toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear, hair drier, toothbrush`.split(/,\s*/);

const BUILT_IN: Readonly<Record<string, () => ClassTable>> = {
  voc: () => tableOf(VOC),
  coco: () => tableOf(COCO),
  toy: () => tableOf(CREATURES.map((creature) => creature.name)),
};

/** A table of the given foreground classes with ids 1, 2, … and the background as 0. */
export function tableOf(foreground: readonly string[]): ClassTable {
  return { ids: [0, ...foreground.map((_, i) => i + 1)], names: ["background", ...foreground] };
}

/**
 * The class table "voc", "coco" or "toy", or that of a file with lines `id name`: ids 0..254 in any order, 0 the
 * background (added when absent), names may hold spaces; blank lines and lines that begin with # do not count.
 * @throws CsrmError naming the file and the line
 */
export function loadClasses(source: string): ClassTable {
  const builtIn = Object.hasOwn(BUILT_IN, source) ? BUILT_IN[source] : undefined;
  if (builtIn) return builtIn();
  if (!existsSync(source)) {
    const names = Object.keys(BUILT_IN);
    const known = suggestion(source, names) || `; built in are ${names.join(", ")}`;
    throw new CsrmError(`cannot read the class table ${source}: no such file${known}`, { code: "file" });
  }
  return parseClasses(readTextSync(source), source);
}

/** Reads the text of a classes file; see loadClasses. @param name the file's name, for messages */
export function parseClasses(text: string, name: string): ClassTable {
  const byId = new Map<number, string>();
  const seen = new Map<string, number>();
  for (const [index, raw] of text.split(/\r\n|\n|\r/).entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const where = `${name}, line ${index + 1}`;
    const match = /^(\d+)[\s,:]+(.*\S)$/.exec(line);
    if (!match) throw expected("`id name`", where, line);
    const [id, title] = [Number(match[1]), match[2]!];
    if (id > 254) throw expected("an id in 0..254 (255 means not annotated)", where, id);
    if (byId.has(id)) throw expected("ids that occur once", where, id);
    if (seen.has(title)) throw expected("names that occur once", where, title);
    byId.set(id, title);
    seen.set(title, id);
  }
  if (!byId.has(0)) byId.set(0, "background");
  if (byId.size < 2) throw expected("at least one class beside the background", name, "none");
  const ids = [...byId.keys()].sort((a, b) => a - b);
  return { ids, names: ids.map((id) => byId.get(id)!) };
}

/**
 * The background and the named classes, in the order and with the ids of the whole table.
 * @throws CsrmError on an unknown, repeated or missing name
 */
export function subsetClasses(table: ClassTable, names: readonly string[]): ClassTable {
  for (const [i, name] of names.entries()) {
    const foreground = table.names.slice(1);
    if (!foreground.includes(name)) {
      throw new CsrmError(`unknown class "${name}" in the subset${hint(name, foreground)}`, { code: "data" });
    }
    if (names.indexOf(name) !== i) throw expected("names that occur once", "the subset", name);
  }
  if (names.length === 0) throw expected("at least one class", "the subset", "none");
  const kept = table.names.flatMap((name, k) => (k === 0 || names.includes(name) ? [k] : []));
  return { ids: kept.map((k) => table.ids[k]!), names: kept.map((k) => table.names[k]!) };
}

/** Where the foreground class `name` stands in a multi-hot vector. @throws CsrmError with the nearest name */
export function tagIndex(table: ClassTable, name: string, where: string): number {
  const k = table.names.indexOf(name);
  if (k > 0) return k - 1;
  if (k === 0) {
    const message = `${where}: "${name}" is the background, not a tag; leave the cell empty when no class is present`;
    throw new CsrmError(message, { code: "data" });
  }
  throw new CsrmError(`${where}: unknown tag "${name}"${hint(name, table.names.slice(1))}`, { code: "data" });
}

function hint(name: string, known: readonly string[]): string {
  const more = known.length > 25 ? `, … (${known.length} in all)` : "";
  return suggestion(name, known) || `; known are ${known.slice(0, 25).join(", ")}${more}`;
}

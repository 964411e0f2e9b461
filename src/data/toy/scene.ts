/**
 * Composes one picture of the toy world: which classes meet and where, then backdrop, clutter, objects, occluders, light and
 * noise. Everything follows from (seed, split, index), so a picture does not depend on how many others are made.
 */
import { Rng } from "../rng.ts";
import { type Actor, cast, drawActor, measureActor } from "./actors.ts";
import { paintBackground } from "./backgrounds.ts";
import { Canvas, type Picture } from "./canvas.ts";
import { drawOccluder, drawTrifle } from "./clutter.ts";
import { BIOMES, type Biome, CREATURES } from "./creatures.ts";
import { drawDecoy } from "./decoys.ts";

export interface SceneOptions {
  seed: number;
  /** Names an independent stream of pictures, e.g. "train". */
  split: string;
  index: number;
  /** Side of the square picture in pixels, ≥ 32. */
  size: number;
}

export interface Scene extends Picture {
  size: number;
  biome: Biome;
  /** Class ids that have at least one pixel in `labels`, ascending. */
  tags: number[];
  /** Number of visible objects. */
  objects: number;
}

/** How often a scene is drawn anew before an object is left out because some cannot be seen well enough. */
const ATTEMPTS = 8;
/** How often a picture is taken where its first class is at home; else anywhere. */
const HOME = 0.4;
/** An object shows at least these fractions of itself and of its marks, without which nobody could name it. */
const MIN_VISIBLE = { all: 0.5, marks: 0.3 } as const;

/** Draws the picture with the given name. */
export function renderScene(options: SceneOptions): Scene {
  const { seed, split, index, size } = options;
  const classes = cast(options);
  for (let attempt = 0; ; attempt++) {
    const rng = new Rng("toy", seed, split, index, attempt);
    // A cast that will not fit loses its last member; a single object soon shows well, since nothing but a post can hide it.
    const kept = classes.slice(0, Math.max(1, classes.length - Math.floor(attempt / ATTEMPTS)));
    const scene = compose(rng, kept, size);
    if (scene) return scene;
  }
}

function compose(rng: Rng, classes: readonly number[], size: number): Scene | null {
  const canvas = new Canvas(size);
  const biome = chooseBiome(rng, classes);
  const horizon = paintBackground(canvas, biome, rng);
  const ground = { canvas, horizon };
  for (let i = rng.int(4); i >= 0; i--) drawTrifle(ground, rng);
  for (let i = rng.int(3); i > 0; i--) drawDecoy(ground, rng, rng.range(0.28, 0.5));
  const actors: Actor[] = [];
  for (const label of classes)
    actors.push(measureActor(rng, { label, count: classes.length, size, horizon, others: actors }));
  actors.sort((a, b) => a.base - b.base);
  for (const [position, actor] of actors.entries()) drawActor(canvas, actor, position + 1);
  if (rng.next() < 0.4) drawOccluder(canvas, rng);
  if (!actors.every(seenWell(canvas))) return null;
  const picture = canvas.reduce();
  develop(picture.rgb, size, rng);
  return { ...picture, size, biome, tags: presentLabels(picture.labels), objects: classes.length };
}

function seenWell(canvas: Canvas): (actor: Actor, position: number) => boolean {
  const { all, marks } = canvas.countOwners();
  return ({ samples }, position) =>
    all[position + 1]! >= MIN_VISIBLE.all * samples.all && marks[position + 1]! >= MIN_VISIBLE.marks * samples.marks;
}

function chooseBiome(rng: Rng, classes: readonly number[]): Biome {
  if (rng.next() < HOME) return CREATURES[classes[0]! - 1]!.home;
  return BIOMES[rng.int(BIOMES.length)]!;
}

function presentLabels(labels: Uint8Array): number[] {
  const present = new Set(labels);
  present.delete(0);
  return [...present].sort((a, b) => a - b);
}

/** A slanting light over the whole picture, a colour cast, and sensor noise, in place. */
function develop(rgb: Uint8Array, size: number, rng: Rng): void {
  const angle = rng.range(0, 2 * Math.PI);
  const slope = rng.range(0, 0.36) / size;
  const [gx, gy] = [Math.cos(angle) * slope, Math.sin(angle) * slope];
  const exposure = rng.range(0.86, 1.12);
  const tint = [rng.range(0.95, 1.05), 1, rng.range(0.95, 1.05)] as const;
  const grain = rng.range(1, 4);
  for (let y = 0, at = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const light = exposure * (1 + gx * (x - size / 2) + gy * (y - size / 2));
      for (let channel = 0; channel < 3; channel++, at++) {
        const bits = rng.uint32();
        // The sum of two 16-bit uniforms: a triangular distribution from one draw, close enough to a sensor's noise.
        const noise = ((bits & 0xffff) + (bits >>> 16)) / 65536 - 1;
        rgb[at] = Math.min(255, Math.max(0, Math.round(rgb[at]! * light * tint[channel]! + grain * noise)));
      }
    }
  }
}

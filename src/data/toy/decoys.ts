/**
 * Things that belong to no class, in body-like shapes: logs with stubs, boulders and containers. Some are made of the very materials
 * that bodies are made of: because of them a material alone proves no class, and a classifier must look for the marks.
 */
import type { Rng } from "../rng.ts";
import { PART } from "./canvas.ts";
import { type Ground, lump, penOnGround } from "./clutter.ts";
import { type Pen, type Point, polar, type Shader } from "./pen.ts";
import { darker, hide, panel, plain, type Rgb, scales, stripes } from "./textures.ts";

/** How often a decoy is made of what bodies are made of. */
const LOOKALIKE = 0.35;
const BODIES = [hide, stripes, scales] as const;
const EARTHS: readonly Rgb[] = [
  [96, 72, 54],
  [120, 118, 116],
  [70, 78, 62],
];

/** A bent log with stubs. */
function log(pen: Pen, rng: Rng, skin: Shader): void {
  const girth = rng.range(0.13, 0.2);
  const bend = rng.range(-0.35, 0.35);
  const middle: Point = [0, rng.range(-0.04, 0.04)];
  const ends = [polar(middle, Math.PI - bend, 0.4), polar(middle, bend, 0.36)] as const;
  pen.shadow({ at: [0, 0.22], radii: [0.6, 0.2] }, 0.35);
  const shade = darker(skin, 0.8);
  for (let i = rng.int(4); i >= 0; i--) {
    const root = polar(middle, rng.next() < 0.5 ? Math.PI - bend : bend, rng.range(0.05, 0.32));
    const tip = polar(
      root,
      Math.PI / 2 + rng.range(-0.8, 0.8) + (rng.next() < 0.3 ? Math.PI : 0),
      rng.range(0.22, 0.36),
    );
    pen.capsule(
      { from: root, to: tip, radii: [girth * 0.45, girth * 0.28] },
      rng.next() < 0.5 ? shade : skin,
      PART.none,
    );
  }
  const taper = rng.range(0.6, 1);
  pen.chain([ends[0], middle, ends[1]], [girth * taper, girth, girth * rng.range(0.7, 1)], skin, PART.none);
}

/** One or two boxes, side by side or stacked. */
function containers(pen: Pen, rng: Rng): void {
  const width = rng.range(0.2, 0.34);
  const height = rng.range(0.16, 0.24);
  const box = (x: number, y: number) => {
    const corners: Point[] = [
      [x - width, y - height],
      [x + width, y - height],
      [x + width, y + height],
      [x - width, y + height],
    ];
    pen.polygon(corners, panel(rng), PART.none);
  };
  pen.shadow({ at: [0, height], radii: [width * 2.2, 0.14] }, 0.35);
  if (rng.next() < 0.5) {
    box(0, 0);
    return;
  }
  const stacked = rng.next() < 0.4;
  box(stacked ? 0 : -width, 0);
  if (stacked) box(rng.range(-0.1, 0.1), -2 * height);
  else box(width * 1.04, rng.range(-0.03, 0.03));
}

/** One decoy of a random material; `scale` is about its length as a fraction of the picture. */
export function drawDecoy(ground: Ground, rng: Rng, scale: number): void {
  const pen = penOnGround(ground, rng, scale);
  const lookalike = rng.next() < LOOKALIKE;
  if (lookalike && rng.next() < 0.25) {
    containers(pen, rng);
    return;
  }
  const skin = lookalike ? BODIES[rng.int(BODIES.length)]!(rng) : plain(rng, EARTHS[rng.int(EARTHS.length)]!, 0.06);
  if (rng.next() < 0.7) log(pen, rng, skin);
  else lump(pen, rng, skin);
}

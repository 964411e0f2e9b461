/** Plain things that belong to no class: stones, flowers, tufts of grass, and what stands before the objects. */
import type { Rng } from "../rng.ts";
import { type Canvas, PART } from "./canvas.ts";
import { Pen, type Point, polar, type Shader } from "./pen.ts";
import { cloud, jitter, noiseSeed, plain, type Rgb } from "./textures.ts";

/** Where clutter may lie: pixels, below the horizon (0–1). */
export interface Ground {
  canvas: Canvas;
  horizon: number;
}

/** A pen at a random place of the ground. */
export function penOnGround(ground: Ground, rng: Rng, scale: number): Pen {
  const { size } = ground.canvas;
  const top = Math.max(ground.horizon, 0.05);
  const at: Point = [rng.range(0.02, 0.98) * size, rng.range(top, 1) * size];
  const placement = { at, scale: scale * size, turn: rng.range(-0.5, 0.5), mirror: rng.next() < 0.5 };
  return new Pen(ground.canvas, placement, { label: 0, owner: 0 });
}

/** A lump with a wobbly outline. */
export function lump(pen: Pen, rng: Rng, skin: Shader): void {
  const seed = noiseSeed(rng);
  const outline: Point[] = [];
  const flat = rng.range(0.55, 0.8);
  for (let i = 0; i < 18; i++) {
    const angle = (i / 18) * Math.PI * 2;
    const [x, y] = polar([0, 0], angle, 0.34 + 0.22 * cloud(Math.cos(angle) * 1.4, Math.sin(angle) * 1.4, seed));
    outline.push([x, y * flat]);
  }
  pen.shadow({ at: [0.05, 0.2], radii: [0.55, 0.2] }, 0.35);
  pen.polygon(outline, skin, PART.none);
}

const PETALS: readonly Rgb[] = [
  [228, 66, 74],
  [246, 210, 72],
  [226, 132, 196],
  [238, 238, 240],
  [120, 120, 220],
];

const TRIFLES: readonly ((pen: Pen, rng: Rng) => void)[] = [
  (pen, rng) => lump(pen, rng, plain(rng, [136, 132, 126], 0.3)),
  (pen, rng) => lump(pen, rng, plain(rng, [96, 82, 68], 0.3)),
  (pen, rng) => {
    const petal = plain(rng, PETALS[rng.int(PETALS.length)]!, 0.1);
    pen.capsule(
      { from: [0, 0], to: [rng.range(-0.1, 0.1), 0.6], radii: [0.04, 0.05] },
      plain(rng, [62, 112, 44]),
      PART.none,
    );
    for (let i = 0; i < 5; i++)
      pen.ellipse({ at: polar([0, 0], (i * 2 * Math.PI) / 5, 0.15), radii: [0.12, 0.12] }, petal, PART.none);
    pen.ellipse({ at: [0, 0], radii: [0.09, 0.09] }, plain(rng, [240, 190, 60]), PART.none);
  },
  (pen, rng) => {
    const blade = plain(rng, [66, 118, 48], 0.2);
    for (let i = 0; i < 6; i++) {
      const root: Point = [rng.range(-0.25, 0.25), 0.35];
      pen.capsule(
        { from: root, to: polar(root, rng.range(-2.2, -0.95), rng.range(0.4, 0.75)), radii: [0.05, 0.015] },
        blade,
        PART.none,
      );
    }
  },
];

/** One small ordinary thing. */
export function drawTrifle(ground: Ground, rng: Rng): void {
  TRIFLES[rng.int(TRIFLES.length)]!(penOnGround(ground, rng, rng.range(0.07, 0.16)), rng);
}

/** Something that stands before the objects and hides parts of them: a post, a branch or a tuft at the lower edge. */
export function drawOccluder(canvas: Canvas, rng: Rng): void {
  const { size } = canvas;
  const kind = rng.int(3);
  const x = rng.range(0.1, 0.9) * size;
  const placement = { at: [x, size] as const, scale: size, turn: rng.range(-0.06, 0.06), mirror: false };
  const pen = new Pen(canvas, placement, { label: 0, owner: 0 });
  if (kind === 0) {
    pen.capsule({ from: [0, 0.1], to: [0, -1.1], radii: [0.035, 0.03] }, plain(rng, [112, 84, 60], 0.4), PART.none);
  } else if (kind === 1) {
    const reach = rng.range(-0.5, 0.5);
    pen.capsule(
      { from: [-reach, -1.1], to: [reach * 0.2, -0.5], radii: [0.03, 0.014] },
      plain(rng, [90, 68, 50], 0.4),
      PART.none,
    );
    const leaf = plain(rng, jitter(rng, [74, 112, 56], 0.2), 0.3);
    for (let i = 0; i < 5; i++) {
      const at: Point = [reach * rng.range(-0.4, 0.3) + rng.range(-0.06, 0.06), rng.range(-0.78, -0.45)];
      pen.ellipse({ at, radii: [0.06, 0.03], turn: rng.range(-1, 1) }, leaf, PART.none);
    }
  } else {
    const blade = plain(rng, [58, 104, 44], 0.3);
    for (let i = 0; i < 9; i++) {
      const root: Point = [rng.range(-0.12, 0.12), 0.05];
      const tip = polar(root, rng.range(-2.1, -1.04), rng.range(0.18, 0.36));
      pen.capsule({ from: root, to: tip, radii: [0.02, 0.006] }, blade, PART.none);
    }
  }
}

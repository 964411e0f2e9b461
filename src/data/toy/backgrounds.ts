/** The five procedural backdrops of the toy world, painted over the whole canvas before anything else. */
import type { Rng } from "../rng.ts";
import type { Canvas } from "./canvas.ts";
import type { Biome } from "./creatures.ts";
import { cloud, hash, jitter, mix, noiseSeed, type Rgb, ramp, valueNoise } from "./textures.ts";

/** Writes the colour at (x, y), both 0–1 over the picture. */
type Backdrop = (x: number, y: number, out: Float64Array) => void;

const SKY: readonly [Rgb, Rgb] = [
  [142, 184, 224],
  [222, 228, 226],
];

/** Paints the backdrop at one colour a pixel. @returns the height of the horizon, 0 (top) – 1, above which nothing stands. */
export function paintBackground(canvas: Canvas, biome: Biome, rng: Rng): number {
  const horizon = HORIZONS[biome](rng);
  const backdrop = BACKDROPS[biome](rng, horizon);
  const colour = new Float64Array(3);
  const { size, side, rgb } = canvas;
  const factor = side / size;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      backdrop((x + 0.5) / size, (y + 0.5) / size, colour);
      for (let dy = 0; dy < factor; dy++) {
        for (let dx = 0; dx < factor; dx++) rgb.set(colour, ((y * factor + dy) * side + x * factor + dx) * 3);
      }
    }
  }
  return horizon;
}

const HORIZONS: Record<Biome, (rng: Rng) => number> = {
  meadow: (rng) => rng.range(0.05, 0.4),
  water: (rng) => rng.range(-0.1, 0.25),
  sand: (rng) => rng.range(0, 0.35),
  town: (rng) => rng.range(0.25, 0.5),
  forest: (rng) => rng.range(0.2, 0.45),
};

const BACKDROPS: Record<Biome, (rng: Rng, horizon: number) => Backdrop> = {
  meadow(rng, horizon) {
    const [high, low] = SKY.map((tone) => jitter(rng, tone, 0.1)) as [Rgb, Rgb];
    const near = jitter(rng, [72, 122, 50], 0.18);
    const far = jitter(rng, [138, 168, 86], 0.15);
    const seed = noiseSeed(rng);
    return (x, y, out) => {
      const edge = horizon + 0.06 * (valueNoise(x * 3, 0, seed) - 0.5);
      if (y < edge) return mix(out, high, low, y / Math.max(edge, 0.01), 0.94 + 0.12 * cloud(x * 4, y * 9, seed));
      const blades = valueNoise(x * 62, y * 13, seed) * 0.5 + cloud(x * 6, y * 6, seed) * 0.5;
      mix(out, far, near, ramp(y - edge, 0, 0.6) * 0.6 + 0.5 * (blades - 0.3), 0.76 + 0.5 * blades);
    };
  },
  water(rng, horizon) {
    const shore = jitter(rng, [204, 188, 146], 0.12);
    const deep = jitter(rng, [38, 92, 138], 0.16);
    const crest = jitter(rng, [126, 176, 196], 0.12);
    const seed = noiseSeed(rng);
    const rate = rng.range(34, 60);
    return (x, y, out) => {
      const edge = horizon + 0.08 * (valueNoise(x * 4, 1, seed) - 0.5);
      if (y < edge)
        return mix(out, shore, crest, ramp(y, edge - 0.03, edge), 0.86 + 0.28 * valueNoise(x * 40, y * 40, seed));
      const wave = Math.sin(y * rate + 7 * cloud(x * 3, y * 5, seed));
      const foam = ramp(wave * 0.5 + valueNoise(x * 9, y * 26, seed + 3), 0.5, 1.35);
      mix(out, deep, crest, foam, 0.9 + 0.2 * valueNoise(x * 30, y * 60, seed + 5));
    };
  },
  sand(rng, horizon) {
    const [high, low] = SKY.map((tone) => jitter(rng, tone, 0.12)) as [Rgb, Rgb];
    const light = jitter(rng, [222, 196, 146], 0.12);
    const dark = jitter(rng, [168, 128, 84], 0.14);
    const seed = noiseSeed(rng);
    const slant = rng.range(-8, 8);
    return (x, y, out) => {
      const edge = horizon + 0.12 * (valueNoise(x * 2, 0, seed) - 0.5);
      if (y < edge) return mix(out, high, low, y / Math.max(edge, 0.01));
      const ripple = Math.sin(y * 48 + x * slant + 6 * cloud(x * 3, y * 3, seed));
      const tone = 0.5 * ramp(ripple, -0.4, 1) + 0.6 * cloud(x * 5, y * 5, seed + 2);
      mix(out, light, dark, tone, 0.9 + 0.2 * valueNoise(x * 70, y * 70, seed));
    };
  },
  town(rng, horizon) {
    const brick = jitter(rng, [158, 104, 84], 0.2);
    const mortar = jitter(rng, [190, 180, 168], 0.1);
    const asphalt = jitter(rng, [104, 104, 110], 0.18);
    const line = jitter(rng, [216, 212, 196], 0.08);
    const seed = noiseSeed(rng);
    const rows = rng.range(13, 20);
    const dash = rng.range(0.62, 0.85);
    return (x, y, out) => {
      if (y < horizon) {
        const row = Math.floor(y * rows);
        const along = x * rows * 0.5 + (row & 1) * 0.5;
        const joint = y * rows - row < 0.16 || along - Math.floor(along) < 0.09 ? 1 : 0;
        return mix(out, brick, mortar, joint, 0.82 + 0.3 * hash(Math.floor(along), row, seed));
      }
      if (y < horizon + 0.035) return mix(out, mortar, line, 0.5);
      const painted = Math.abs(y - dash) < 0.018 && (x * 4 + 0.3) % 1 < 0.55 ? 0.8 : 0;
      mix(
        out,
        asphalt,
        line,
        painted,
        0.78 + 0.26 * cloud(x * 7, y * 7, seed) + 0.18 * valueNoise(x * 80, y * 80, seed),
      );
    };
  },
  forest(rng, horizon) {
    const leaf = jitter(rng, [58, 92, 52], 0.2);
    const sun = jitter(rng, [142, 160, 80], 0.15);
    const bark = jitter(rng, [88, 66, 50], 0.15);
    const floor = jitter(rng, [104, 86, 58], 0.15);
    const seed = noiseSeed(rng);
    const trunks = rng.range(5, 9);
    return (x, y, out) => {
      const foliage = cloud(x * 13, y * 13, seed);
      if (y > horizon + 0.05 * (foliage - 0.5)) {
        return mix(out, floor, leaf, ramp(cloud(x * 8, y * 16, seed + 7), 0.4, 0.6), 0.72 + 0.5 * foliage);
      }
      const cell = Math.floor(x * trunks);
      const across = Math.abs(x * trunks - cell - 0.3 - 0.4 * hash(cell, 3, seed));
      if (across < 0.16) return mix(out, bark, floor, valueNoise(x * 60, y * 8, seed), 1.05 - across * 2);
      mix(out, leaf, sun, ramp(foliage, 0.35, 0.8), 0.66 + 0.6 * foliage);
    };
  },
};

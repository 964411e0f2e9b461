/** Procedural textures: value noise from an integer hash, colour jitter, and the materials that bodies and clutter are made of. */
import type { Rng } from "../rng.ts";
import type { Shader } from "./pen.ts";

export type Rgb = readonly [number, number, number];

/** A pseudo-random number in [0, 1) that depends on the integers (x, y, seed) only. */
export function hash(x: number, y: number, seed: number): number {
  let h = Math.imul(x, 0x27d4eb2d) ^ Math.imul(y, 0x165667b1) ^ Math.imul(seed, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}

/** Smooth noise in [0, 1) with one independent value per unit square of the plane. */
export function valueNoise(x: number, y: number, seed: number): number {
  const ix = Math.floor(x);
  const iy = Math.floor(y);
  const fx = x - ix;
  const fy = y - iy;
  const sx = fx * fx * (3 - 2 * fx);
  const sy = fy * fy * (3 - 2 * fy);
  const top = hash(ix, iy, seed) * (1 - sx) + hash(ix + 1, iy, seed) * sx;
  const bottom = hash(ix, iy + 1, seed) * (1 - sx) + hash(ix + 1, iy + 1, seed) * sx;
  return top * (1 - sy) + bottom * sy;
}

/** Two octaves of value noise, in [0, 1). */
export function cloud(x: number, y: number, seed: number): number {
  return (2 * valueNoise(x, y, seed) + valueNoise(2.1 * x + 5.3, 2.1 * y - 1.7, seed + 1)) / 3;
}

/** A seed for `hash`. */
export function noiseSeed(rng: Rng): number {
  return rng.int(0x7fffffff);
}

/** The colour with its brightness scaled by up to ± `amount` (a fraction) and each channel by up to ± half of that. */
export function jitter(rng: Rng, colour: Rgb, amount = 0.12): Rgb {
  const gain = 1 + rng.range(-amount, amount);
  const channel = (value: number) => value * gain * (1 + rng.range(-amount / 2, amount / 2));
  return [channel(colour[0]), channel(colour[1]), channel(colour[2])];
}

/** Writes a + (b − a)·t times `gain` to `out`. */
export function mix(out: Float64Array, a: Rgb, b: Rgb, t: number, gain = 1): void {
  out[0] = (a[0] + (b[0] - a[0]) * t) * gain;
  out[1] = (a[1] + (b[1] - a[1]) * t) * gain;
  out[2] = (a[2] + (b[2] - a[2]) * t) * gain;
}

/** A ramp from 0 at `low` to 1 at `high`. */
export function ramp(value: number, low: number, high: number): number {
  return Math.min(1, Math.max(0, (value - low) / (high - low)));
}

/** One colour with a fine grain. */
export function plain(rng: Rng, colour: Rgb, grain = 0.12): Shader {
  const base = jitter(rng, colour);
  const seed = noiseSeed(rng);
  return (u, v, out) => mix(out, base, base, 0, 1 + grain * (valueNoise(u * 26, v * 26, seed) - 0.5));
}

/** The same material, darker by the factor `gain`. */
export function darker(shader: Shader, gain: number): Shader {
  return (u, v, out) => {
    shader(u, v, out);
    for (let channel = 0; channel < 3; channel++) out[channel]! *= gain;
  };
}

/** Cream hide with patches, brown ones as a rule. */
export function hide(rng: Rng, patches: Rgb = [188, 152, 120]): Shader {
  const light = jitter(rng, [226, 208, 178]);
  const dark = jitter(rng, patches);
  const seed = noiseSeed(rng);
  const grain = noiseSeed(rng);
  const level = rng.range(0.46, 0.56);
  return (u, v, out) => {
    const patch = ramp(cloud(u * 5.5, v * 5.5, seed), level - 0.03, level + 0.03);
    mix(out, light, dark, patch, 0.97 + 0.06 * valueNoise(u * 30, v * 30, grain));
  };
}

/** Orange fur with wavy dark stripes across the object's length. */
export function stripes(rng: Rng): Shader {
  const light = jitter(rng, [222, 142, 62]);
  const dark = jitter(rng, [180, 104, 52]);
  const seed = noiseSeed(rng);
  const rate = rng.range(30, 42);
  const width = rng.range(-0.1, 0.25);
  return (u, v, out) => {
    const wave = Math.sin(rate * (u + 0.12 * cloud(u * 4, v * 4, seed)) + 2.4 * Math.sin(v * 3.1));
    mix(out, light, dark, ramp(wave, width, width + 0.35) * 0.85, 0.97 + 0.06 * valueNoise(u * 28, v * 28, seed));
  };
}

/** Teal scales: staggered rows of discs with a bright rim. */
export function scales(rng: Rng): Shader {
  const deep = jitter(rng, [58, 136, 130]);
  const bright = jitter(rng, [92, 178, 152]);
  const seed = noiseSeed(rng);
  const rate = rng.range(11, 15);
  return (u, v, out) => {
    const row = Math.floor(v * rate * 1.3);
    const x = u * rate + (row & 1) * 0.5;
    const cell = Math.floor(x);
    const dx = x - cell - 0.5;
    const dy = v * rate * 1.3 - row - 0.2;
    const rim = ramp(dx * dx + dy * dy * 0.7, 0.08, 0.42);
    mix(out, bright, deep, rim, 0.93 + 0.14 * hash(cell, row, seed));
  };
}

/** Painted sheet metal: one of four paints, with seams and faint rust. */
export function panel(rng: Rng): Shader {
  const paints: readonly Rgb[] = [
    [186, 74, 66],
    [84, 110, 176],
    [208, 176, 84],
    [142, 148, 152],
  ];
  const paint = jitter(rng, paints[rng.int(paints.length)]!);
  const rust: Rgb = [paint[0] * 0.62, paint[1] * 0.52, paint[2] * 0.48];
  const seed = noiseSeed(rng);
  const rate = rng.range(7, 11);
  return (u, v, out) => {
    const seam = Math.abs((((u * rate) % 1) + 1) % 1) < 0.13 ? 0.4 : 0;
    const stain = ramp(cloud(u * 6, v * 6, seed), 0.58, 0.72) * 0.3;
    mix(out, paint, rust, Math.max(seam, stain), 0.97 + 0.06 * valueNoise(u * 30, v * 30, seed));
  };
}

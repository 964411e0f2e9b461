/** Colour jitter of a training picture, on bytes and with Pillow's roundings: brightness, contrast, saturation, hue. */

import type { Rng } from "./rng.ts";

export interface JitterOptions {
  /** How often a picture is changed at all, 0..1. */
  probability: number;
  /** Factors are drawn from 1 − this to 1 + this; 0 leaves the property alone. 0..1. */
  brightness: number;
  contrast: number;
  saturation: number;
  /** The hue is turned by up to this fraction of the circle, either way. 0..0.5. */
  hue: number;
}

/** What one picture's jitter does, in order: factors, and for the hue the turn as a fraction of the circle. */
export type ColourChange = { kind: "brightness" | "contrast" | "saturation" | "hue"; amount: number };

/** Draws the changes of one picture, in random order; the same number of draws whether or not it is changed. */
export function drawJitter(rng: Rng, options: JitterOptions): ColourChange[] {
  const chosen = rng.next() < options.probability;
  const factor = (spread: number) => rng.range(1 - spread, 1 + spread);
  const changes: ColourChange[] = [
    { kind: "brightness", amount: factor(options.brightness) },
    { kind: "contrast", amount: factor(options.contrast) },
    { kind: "saturation", amount: factor(options.saturation) },
    { kind: "hue", amount: rng.range(-options.hue, options.hue) },
  ];
  rng.shuffle(changes);
  return chosen ? changes.filter(({ kind }) => options[kind] > 0) : [];
}

/** Applies changes in place. @param pixels RGB bytes of one picture */
export function changeColours(pixels: Uint8Array, changes: readonly ColourChange[]): void {
  for (const { kind, amount } of changes) {
    if (kind === "brightness") mapBytes(pixels, blendTable(0, amount));
    else if (kind === "contrast") mapBytes(pixels, blendTable(meanGray(pixels), amount));
    else if (kind === "saturation") saturate(pixels, amount);
    else turnHue(pixels, amount);
  }
}

/** from + factor·(to − from) in float32, cut off to a byte. */
function blend(from: number, to: number, factor: number): number {
  const value = Math.fround(from + Math.fround(factor * (to - from)));
  return value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value);
}

function blendTable(from: number, amount: number): Uint8Array {
  const factor = Math.fround(amount);
  return Uint8Array.from({ length: 256 }, (_, value) => blend(from, value, factor));
}

function mapBytes(pixels: Uint8Array, table: Uint8Array): void {
  for (let i = 0; i < pixels.length; i++) pixels[i] = table[pixels[i]!]!;
}

/** ITU-R 601 luma in 16-bit fixed point. */
function gray(r: number, g: number, b: number): number {
  return (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
}

function meanGray(pixels: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < pixels.length; i += 3) sum += gray(pixels[i]!, pixels[i + 1]!, pixels[i + 2]!);
  return Math.trunc(sum / (pixels.length / 3) + 0.5);
}

function saturate(pixels: Uint8Array, amount: number): void {
  const factor = Math.fround(amount);
  for (let i = 0; i < pixels.length; i += 3) {
    const level = gray(pixels[i]!, pixels[i + 1]!, pixels[i + 2]!);
    for (let c = i; c < i + 3; c++) pixels[c] = blend(level, pixels[c]!, factor);
  }
}

/** Through hue, saturation and value of one byte each, so that even a turn of 0 rounds; in float32 where Pillow is. */
function turnHue(pixels: Uint8Array, turn: number): void {
  const shift = Math.trunc(turn * 255) & 255;
  for (let i = 0; i < pixels.length; i += 3) {
    const r = pixels[i]!;
    const g = pixels[i + 1]!;
    const b = pixels[i + 2]!;
    const value = Math.max(r, g, b);
    const range = value - Math.min(r, g, b);
    if (range === 0) continue; // gray has no hue
    const saturation = Math.trunc(Math.fround(range / value) * 255);
    const hue = (hueByte(r, g, b, value, range) + shift) & 255;
    if (saturation === 0) {
      pixels.fill(value, i, i + 3);
      continue;
    }
    const place = (hue * 6) / 255;
    const sector = Math.floor(place);
    const along = Math.fround(place - sector);
    const s = Math.fround(saturation / 255);
    const p = Math.round(value * (1 - s));
    const q = Math.round(value * (1 - Math.fround(s * along)));
    const t = Math.round(value * (1 - s * (1 - along)));
    // Written out, since an array a pixel would take most of the time.
    const turned = sector % 6;
    pixels[i] = turned === 0 || turned === 5 ? value : turned === 1 ? q : turned === 4 ? t : p;
    pixels[i + 1] = turned === 1 || turned === 2 ? value : turned === 0 ? t : turned === 3 ? q : p;
    pixels[i + 2] = turned === 3 || turned === 4 ? value : turned === 2 ? t : turned === 5 ? q : p;
  }
}

/** The place on the colour circle, red = 0, as a byte. */
function hueByte(r: number, g: number, b: number, most: number, range: number): number {
  const awayR = Math.fround((most - r) / range);
  const awayG = Math.fround((most - g) / range);
  const awayB = Math.fround((most - b) / range);
  const sixths = r === most ? awayB - awayG : g === most ? 2 + awayR - awayB : 4 + awayG - awayR;
  return Math.trunc(Math.fround(fraction(Math.fround(sixths) / 6 + 1)) * 255);
}

/** x modulo 1 of a number from 0 to 2, exact; much faster than %. */
function fraction(x: number): number {
  return x >= 1 ? x - 1 : x;
}

/** The draws of a training picture's colour jitter: brightness, contrast, saturation, hue. */

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

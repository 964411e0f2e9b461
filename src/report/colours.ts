/** Colours of pictures and charts: class colours of the VOC map, and a colour scale for activation maps. */
import { vocPalette } from "../formats/palette.ts";

const PALETTE = vocPalette();

/** The VOC colour of a dataset id, "#rrggbb". */
export function classColour(id: number): string {
  return `#${[...PALETTE.subarray(id * 3, id * 3 + 3)].map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * From cold to hot through the rainbow, light in the middle, dark at both ends; spaced so that equal steps look about
 * equal.
 */
const ANCHORS = [
  [38, 24, 84],
  [52, 76, 190],
  [32, 146, 224],
  [30, 200, 190],
  [96, 222, 110],
  [196, 222, 60],
  [246, 184, 48],
  [240, 116, 38],
  [208, 50, 24],
  [130, 14, 16],
] as const;

/** 256 × 3 RGB bytes for scores 0…1, interpolated between the anchors. */
export function heatPalette(): Uint8Array {
  const colours = new Uint8Array(256 * 3);
  for (let i = 0; i < 256; i++) {
    const position = (i / 255) * (ANCHORS.length - 1);
    const from = Math.min(Math.floor(position), ANCHORS.length - 2);
    for (let c = 0; c < 3; c++) {
      const [a, b] = [ANCHORS[from]![c]!, ANCHORS[from + 1]![c]!];
      colours[i * 3 + c] = Math.round(a + (b - a) * (position - from));
    }
  }
  return colours;
}

/**
 * The square, supersampled canvas of the toy world: colour, class label, part and owner of every sample, and its reduction
 * to an image and an exact (never blended) label map.
 */

/** Samples per pixel along each axis. */
export const SUPERSAMPLE = 2;

/** What a painted sample is to a network: background, the body that several classes share, or what tells a class apart. */
export const PART = { none: 0, body: 1, mark: 2 } as const;
export type Part = (typeof PART)[keyof typeof PART];

/** A canvas after reduction: size × size pixels, row-major. */
export interface Picture {
  /** RGB, 3 bytes a pixel, 0–255. */
  rgb: Uint8Array;
  /** Class ids, 0 = background. */
  labels: Uint8Array;
  /** PART values. */
  parts: Uint8Array;
  /** 0 = background, n = the n-th object of the scene. */
  owners: Uint8Array;
}

export class Canvas {
  /** Side in pixels of the final picture. */
  readonly size: number;
  /** Side in samples. */
  readonly side: number;
  readonly rgb: Uint8ClampedArray;
  readonly labels: Uint8Array;
  readonly parts: Uint8Array;
  readonly owners: Uint8Array;

  constructor(size: number, supersample: number = SUPERSAMPLE) {
    this.size = size;
    this.side = size * supersample;
    const samples = this.side * this.side;
    this.rgb = new Uint8ClampedArray(samples * 3);
    this.labels = new Uint8Array(samples);
    this.parts = new Uint8Array(samples);
    this.owners = new Uint8Array(samples);
  }

  /** Number of samples by owner: those of every part, and those of marks. */
  countOwners(): { all: Uint32Array; marks: Uint32Array } {
    const all = new Uint32Array(256);
    const marks = new Uint32Array(256);
    for (let sample = 0; sample < this.owners.length; sample++) {
      const owner = this.owners[sample]!;
      all[owner]! += 1;
      if (this.parts[sample] === PART.mark) marks[owner]! += 1;
    }
    return { all, marks };
  }

  /**
   * Averages the colour of each block of samples; label, part and owner of a pixel are those of the first of its samples (in reading
   * order) whose owner holds at least half of the block, so that a mask keeps its area.
   */
  reduce(): Picture {
    const { size, side } = this;
    const factor = side / size;
    const block = factor * factor;
    const picture: Picture = {
      rgb: new Uint8Array(size * size * 3),
      labels: new Uint8Array(size * size),
      parts: new Uint8Array(size * size),
      owners: new Uint8Array(size * size),
    };
    const offsets: number[] = [];
    for (let dy = 0; dy < factor; dy++) for (let dx = 0; dx < factor; dx++) offsets.push(dy * side + dx);
    for (let y = 0, pixel = 0; y < size; y++) {
      for (let x = 0; x < size; x++, pixel++) {
        const origin = y * factor * side + x * factor;
        let red = 0;
        let green = 0;
        let blue = 0;
        for (const offset of offsets) {
          const at = (origin + offset) * 3;
          red += this.rgb[at]!;
          green += this.rgb[at + 1]!;
          blue += this.rgb[at + 2]!;
        }
        picture.rgb[pixel * 3] = Math.round(red / block);
        picture.rgb[pixel * 3 + 1] = Math.round(green / block);
        picture.rgb[pixel * 3 + 2] = Math.round(blue / block);
        const winner = this.#majority(origin, offsets);
        picture.labels[pixel] = this.labels[winner]!;
        picture.parts[pixel] = this.parts[winner]!;
        picture.owners[pixel] = this.owners[winner]!;
      }
    }
    return picture;
  }

  #majority(origin: number, offsets: readonly number[]): number {
    const first = this.owners[origin]!;
    let uniform = true;
    for (const offset of offsets) if (this.owners[origin + offset] !== first) uniform = false;
    if (uniform) return origin;
    for (const offset of offsets) {
      const owner = this.owners[origin + offset];
      let votes = 0;
      for (const other of offsets) if (this.owners[origin + other] === owner) votes++;
      if (votes * 2 >= offsets.length) return origin + offset;
    }
    return origin;
  }
}

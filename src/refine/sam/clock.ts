/** Where the time of automatic mask generation goes. */

/** In seconds. */
export interface MaskTimes {
  /** Resizing and the image encoder. */
  embed: number;
  /** Prompts, transformer and masks at a quarter of the input's resolution. */
  decode: number;
  /** Stability and runs at the photograph's resolution. */
  draw: number;
  /** Suppression and cleaning. */
  select: number;
}

export class Clock {
  readonly times: MaskTimes = { embed: 0, decode: 0, draw: 0, select: 0 };

  time<Result>(part: keyof MaskTimes, work: () => Result): Result {
    const start = performance.now();
    try {
      return work();
    } finally {
      this.times[part] += (performance.now() - start) / 1000;
    }
  }
}

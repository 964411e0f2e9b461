/**
 * The pixels of a contrast step over all processes: how many there are of each class, which of those drawn are this process's own, and
 * the rows that go into everybody's memory bank, in the order that one process with the whole batch would have.
 */
import { cat, processes, scope, stack, type Tensor, tensor } from "../torch/index.ts";

/** Pixels of a class in one mask: `halves[h][r]` of half h (0 labelled, 1 unlabelled) on process r. */
type Places = number[][];

export interface PixelCounts {
  /** Of each mask and class over all processes. */
  totals: number[][];
  /** The same, by half and process. */
  places: Places[][];
}

/**
 * Counts the pixels of masks by class. One small read-back and, of several processes, one small exchange.
 * @param masks each [B, K, h, w] bool @param labelled images in the labelled half of this process
 */
export function countPixels(masks: readonly Tensor[], labelled: number): PixelCounts {
  const group = processes();
  const classes = masks[0]!.shape[1]!;
  const own = scope(() => {
    const halves = (mask: Tensor) => {
      const byImage = mask.sum([2, 3]); // [B, K]
      const images = mask.shape[0]!;
      return stack([byImage.narrow(0, 0, labelled).sum(0), byImage.narrow(0, labelled, images - labelled).sum(0)]);
    };
    return stack(masks.map(halves)).toArray(); // [masks, 2, K]
  });
  const all = group.exchange(own);
  const at = (mask: number, half: number, c: number) => all.map((each) => each[(2 * mask + half) * classes + c]!);
  const places = masks.map((_, mask) => Array.from({ length: classes }, (_, c) => [at(mask, 0, c), at(mask, 1, c)]));
  return { places, totals: places.map((byClass) => byClass.map((halves) => sum(halves.flat()))) };
}

/** Which draws fall on pixels of this process. */
export interface OwnDraws {
  /** [M] int64: the draws' numbers, row by row. */
  which: Tensor;
  /** [M] int64: for each of them, which of this process's pixels of its class, counted from 0. */
  pixels: Tensor;
}

/**
 * @param drawn [A, n] int64: for each of A classes, numbers of pixels among those of all processes (labelled halves first, by rank)
 * @param places of these A classes
 */
export function ownDraws(drawn: Tensor, places: readonly Places[]): OwnDraws {
  const { rank } = processes();
  return scope(() => {
    const column = (value: (halves: Places) => number) =>
      tensor(
        BigInt64Array.from(places, (halves) => BigInt(value(halves))),
        { shape: [places.length, 1], device: drawn.device },
      );
    const first = column(([labelled]) => sum(labelled!.slice(0, rank)));
    const second = column(([labelled, rest]) => sum(labelled!) + sum(rest!.slice(0, rank)));
    const ownFirst = column(([labelled]) => labelled![rank]!);
    const ownSecond = column(([, rest]) => rest![rank]!);
    const within = (from: Tensor, length: Tensor) => drawn.ge(from).logicalAnd(drawn.lt(from.add(length)));
    const inFirst = within(first, ownFirst);
    const local = drawn.sub(first).mul(inFirst).add(drawn.sub(second).add(ownFirst).mul(inFirst.logicalNot()));
    const which = inFirst.logicalOr(within(second, ownSecond)).flatten().nonzero().select(1, 0);
    return { which, pixels: local.flatten().indexSelect(0, which) };
  });
}

/** How many of this process's pixels of a class, by half, are among the last `kept` of all processes. */
export function keptOf(places: Places, kept: number): { own: [number, number]; all: Places } {
  let room = kept;
  const all = places.map((half) => half.map(() => 0));
  for (const half of [1, 0]) {
    for (let r = places[half]!.length - 1; r >= 0; r--) {
      all[half]![r] = Math.min(room, places[half]![r]!);
      room -= all[half]![r]!;
    }
  }
  const { rank } = processes();
  return { own: [all[0]![rank]!, all[1]![rank]!], all };
}

/**
 * The rows of all processes, class by class, labelled halves first.
 * @param rows [n, D] of this process: class by class, labelled half first
 * @param kept rows of each class by half and process
 * @returns [m, D] a class, or null where there are none
 */
export function gatherByClass(rows: Tensor, kept: readonly Places[]): (Tensor | null)[] {
  const parts = processes().gather(rows);
  return scope(() => {
    const next = parts.map(() => 0);
    const pieces = kept.map((halves) =>
      halves.map((half) =>
        half.map((count, r) => {
          const piece = parts[r]!.narrow(0, next[r]!, count);
          next[r]! += count;
          return piece;
        }),
      ),
    );
    return pieces.map((halves, c) => (sum(kept[c]!.flat()) === 0 ? null : cat(halves.flat())));
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

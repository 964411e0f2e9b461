/** Paper Eq. 13, L_m: InfoNCE between the student's reliable pixels, the teacher's class means and a bank of unreliable negatives. */

import { cat, noGrad, processes, rand, scope, type Tensor, tensor, zeros } from "../torch/index.ts";
import { type ContrastPixels, type ContrastRules, contrastMasks } from "./contrast-masks.ts";
import { countPixels, gatherByClass, keptOf, ownDraws, type PixelCounts } from "./contrast-share.ts";
import { fullPrecision, unitRows } from "./functional.ts";
import type { MemoryBank } from "./memory-bank.ts";

export interface ContrastiveOptions extends ContrastRules {
  /** P: queries drawn a class, with replacement. */
  queries: number;
  /** N: negatives drawn a query, with replacement. */
  negatives: number;
  /** τ */
  temperature: number;
  /** How rows are drawn, the same for all processes; uniformly by libtorch's generator if left out. */
  draw?: Draw;
}

/** Draws `each` numbers 0 ≤ i < counts[a] for every a. @returns [counts.length, each] int64 */
export type Draw = (counts: readonly number[], each: number, device: string) => Tensor;

export interface ContrastInputs extends ContrastPixels {
  /** [B, D, h, w] representations of the student, with a graph. */
  student: Tensor;
  /** [B, D, h, w] representations of the teacher's noisy pass. */
  teacher: Tensor;
}

/**
 * Sum of the classes' InfoNCE terms over the number of classes that have anchors; 0 without a graph when fewer than two have, or
 * when no class has a query, a positive and negatives at once. New negatives go into the bank first, for every class.
 * One small read-back (four counts a class) tells how much there is to draw from. Several processes draw alike from the pixels of all,
 * and each gets the share of the queries that are its own pixels.
 */
export function contrastiveLoss(inputs: ContrastInputs, bank: MemoryBank, options: ContrastiveOptions): Tensor {
  const draw = options.draw ?? drawUniform;
  return scope(() => {
    const { student } = inputs;
    const masks = contrastMasks(inputs, options);
    const counted = countPixels([masks.anchors, masks.queries, masks.positives, masks.negatives], inputs.labelled);
    const [anchors, queries, positives, negatives] = counted.totals as [number[], number[], number[], number[]];
    if (processes().size === 1) pushNegatives(bank, inputs.teacher, masks.negatives, negatives);
    else pushNegativesOfAll(bank, inputs.teacher, masks.negatives, counted.places[3]!);

    const valid = anchors.filter((count) => count > 0).length;
    const classes = anchors.flatMap((_, c) => (queries[c]! > 0 && positives[c]! > 0 && bank.size(c) > 0 ? [c] : []));
    if (valid < 2 || classes.length === 0) return zeros([], { device: student.device });

    const drawn = draw(
      classes.map((c) => queries[c]!),
      options.queries,
      student.device,
    );
    const slots = draw(
      classes.map((c) => bank.size(c)),
      options.queries * options.negatives,
      student.device,
    );
    const positive = classMeans(inputs.teacher, masks.positives, classes);
    const rows = { student, mask: masks.queries, drawn, positive, classes, places: counted.places[1]! };
    const { negative, ...pair } = (processes().size === 1 ? everyDraw : shareOfDraws)(rows, bank, slots);
    const terms = infoNce(pair.query, pair.positive, negative.to(pair.query.dtype), options.temperature);
    return terms.sum().div(valid * pair.parts);
  });
}

interface DrawnRows {
  /** [B, D, h, w] */
  student: Tensor;
  /** [B, K, h, w]: the pixels that queries are drawn from. */
  mask: Tensor;
  /** [A, P]: numbers of pixels of the class. */
  drawn: Tensor;
  /** [A, D] */
  positive: Tensor;
  /** Those drawn for, A of them. */
  classes: readonly number[];
  places: PixelCounts["places"][number];
}

/** What infoNce takes, and how many of its results make up a class. */
interface Pairs {
  query: Tensor;
  positive: Tensor;
  negative: Tensor;
  parts: number;
}

/** @param slots [A, P·N] of the bank */
function everyDraw(
  { student, mask, drawn, positive, classes, places }: DrawnRows,
  bank: MemoryBank,
  slots: Tensor,
): Pairs {
  const [count, each] = drawn.shape as [number, number];
  const pixels = drawn.add(indexTensor(starts(places, classes), drawn.device)).flatten();
  const query = fullPrecision(pixelRows(student, positionsByClass(mask).indexSelect(0, pixels)));
  return {
    query: query.reshape([count, each, -1]),
    positive,
    negative: bank.gather(classes, slots).reshape([count, each, slots.shape[1]! / each, -1]),
    parts: 1,
  };
}

/** The same for the queries that are pixels of this process, each as a class of its own. */
function shareOfDraws(
  { student, mask, drawn, positive, classes, places }: DrawnRows,
  bank: MemoryBank,
  slots: Tensor,
): Pairs {
  const each = drawn.shape[1]!;
  const { which, pixels } = ownDraws(
    drawn,
    classes.map((c) => places[c]!),
  );
  const row = which.div(each).floor().to("int64");
  const first = indexTensor(starts(places, classes), drawn.device).flatten().indexSelect(0, row);
  const query = fullPrecision(pixelRows(student, positionsByClass(mask).indexSelect(0, pixels.add(first))));
  const wanted = bank.places(classes, slots).reshape([drawn.numel, -1]).indexSelect(0, which);
  return {
    query: query.unsqueeze(1),
    positive: positive.indexSelect(0, row),
    negative: bank.at(wanted).unsqueeze(1),
    parts: each,
  };
}

/** Where each class's pixels of this process begin in `positionsByClass`. */
function starts(places: DrawnRows["places"], classes: readonly number[]): number[] {
  const { rank } = processes();
  let start = 0;
  const all = places.map((halves) => {
    const here = start;
    for (const half of halves) start += half[rank]!;
    return here;
  });
  return classes.map((c) => all[c]!);
}

/**
 * −log of the positive's share, by cosine similarity over τ, mean over the queries.
 * @param query [A, P, D]
 * @param positive [A, D], one a class
 * @param negative [A, P, N, D], rows of length one (as the bank holds them)
 * @returns [A]
 */
export function infoNce(query: Tensor, positive: Tensor, negative: Tensor, temperature: number): Tensor {
  return scope(() => {
    const column = unitRows(query).unsqueeze(-1); // [A, P, D, 1]
    const toPositive = unitRows(positive).unsqueeze(1).unsqueeze(1).matmul(column).squeeze(-1); // [A, P, 1]
    const toNegatives = negative.matmul(column).squeeze(-1); // [A, P, N]
    const logits = cat([toPositive, toNegatives], 2).div(temperature);
    return logits.logSoftmax(2).select(2, 0).mean(1).neg();
  });
}

/** Positions b·h·w + pixel of the mask's pixels, sorted by class, then image, then row by row: [M] int64. */
function positionsByClass(mask: Tensor): Tensor {
  return mask.permute([1, 0, 2, 3]).flatten(1).nonzero().select(1, 1);
}

/** Adds the step's negatives to the bank in (image, row, column) order; rows that it would drop at once are not even gathered. */
function pushNegatives(bank: MemoryBank, teacher: Tensor, mask: Tensor, counts: readonly number[]): void {
  noGrad(() =>
    scope(() => {
      const positions = positionsByClass(mask);
      let end = 0;
      for (const [c, count] of counts.entries()) {
        end += count;
        const kept = Math.min(count, bank.capacity(c));
        if (kept > 0) bank.push(c, unitRows(fullPrecision(pixelRows(teacher, positions.narrow(0, end - kept, kept)))));
      }
    }),
  );
}

/** The same for the negatives of all processes, which then hold the same bank. */
function pushNegativesOfAll(
  bank: MemoryBank,
  teacher: Tensor,
  mask: Tensor,
  places: PixelCounts["places"][number],
): void {
  const { rank } = processes();
  noGrad(() =>
    scope(() => {
      const positions = positionsByClass(mask);
      const kept = places.map((halves, c) => keptOf(halves, bank.capacity(c)));
      let end = 0;
      const own = places.flatMap((halves, c) =>
        halves.map((half, h) => {
          end += half[rank]!;
          return positions.narrow(0, end - kept[c]!.own[h]!, kept[c]!.own[h]!);
        }),
      );
      const rows = gatherByClass(
        pixelRows(teacher, cat(own)),
        kept.map(({ all }) => all),
      );
      for (const [c, each] of rows.entries()) if (each) bank.push(c, unitRows(fullPrecision(each)));
    }),
  );
}

/** @param x [B, D, h, w] @param positions [M], b·h·w + pixel @returns [M, D] */
function pixelRows(x: Tensor, positions: Tensor): Tensor {
  // Not advanced indexing: its float32 gradient adds in parallel on CPUs, in another order each time, and no run could be repeated.
  return x.permute([0, 2, 3, 1]).flatten(0, 2).indexSelect(0, positions); // [B·h·w, D] → [n, D]
}

/** Mean representation of each class over its mask, that of all processes: [A, D]. One image after the other, so that no second copy of x is needed. */
function classMeans(x: Tensor, mask: Tensor, classes: readonly number[]): Tensor {
  return noGrad(() =>
    scope(() => {
      const chosen = mask.indexSelect(1, indexTensor(classes, x.device).flatten());
      const sums = zeros([classes.length, x.shape[1]!], {
        dtype: x.dtype === "float64" ? "float64" : "float32",
        device: x.device,
      });
      for (let image = 0; image < x.shape[0]!; image++) {
        scope(() => {
          const weights = chosen.select(0, image).flatten(1).to(sums.dtype); // [A, h·w]
          sums.add_(weights.matmul(x.select(0, image).flatten(1).transpose(0, 1).to(sums.dtype)));
        });
      }
      const group = processes();
      return group.sum(sums).div(group.sum(chosen.sum([0, 2, 3])).unsqueeze(1));
    }),
  );
}

function drawUniform(counts: readonly number[], each: number, device: string): Tensor {
  return scope(() => {
    const limit = indexTensor(counts, device);
    const chances = processes().alike(() => rand([counts.length, each], { dtype: "float64", device }));
    const drawn = chances.mul(limit).to("int64");
    return drawn.minimum(limit.sub(1));
  });
}

/** A column of integers: [n, 1] int64. */
function indexTensor(values: readonly number[], device: string): Tensor {
  return tensor(BigInt64Array.from(values, BigInt), { shape: [values.length, 1], device });
}

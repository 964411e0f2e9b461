/** Paper Eq. 13, L_m: InfoNCE between the student's reliable pixels, the teacher's class means and a bank of unreliable negatives. */

import { cat, noGrad, rand, scope, stack, type Tensor, tensor, zeros } from "../torch/index.ts";
import { type ContrastPixels, type ContrastRules, contrastMasks } from "./contrast-masks.ts";
import { fullPrecision, unitRows } from "./functional.ts";
import type { MemoryBank } from "./memory-bank.ts";

export interface ContrastiveOptions extends ContrastRules {
  /** P: queries drawn a class, with replacement. */
  queries: number;
  /** N: negatives drawn a query, with replacement. */
  negatives: number;
  /** τ */
  temperature: number;
  /** How rows are drawn; uniformly by libtorch's generator if left out. */
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
 * One small read-back (four counts a class) tells how much there is to draw from.
 */
export function contrastiveLoss(inputs: ContrastInputs, bank: MemoryBank, options: ContrastiveOptions): Tensor {
  const draw = options.draw ?? drawUniform;
  return scope(() => {
    const { student } = inputs;
    const masks = contrastMasks(inputs, options);
    const counts = countByClass([masks.anchors, masks.queries, masks.positives, masks.negatives]);
    pushNegatives(bank, inputs.teacher, masks.negatives, counts[3]!);

    const [anchors, queries, positives] = counts as [number[], number[], number[]];
    const valid = anchors.filter((count) => count > 0).length;
    const classes = anchors.flatMap((_, c) => (queries[c]! > 0 && positives[c]! > 0 && bank.size(c) > 0 ? [c] : []));
    if (valid < 2 || classes.length === 0) return zeros([], { device: student.device });

    const drawn = drawPixels(masks.queries, queries, classes, (each) => draw(each, options.queries, student.device));
    const query = fullPrecision(pixelRows(student, drawn.flatten())).reshape([classes.length, options.queries, -1]);
    const slots = draw(
      classes.map((c) => bank.size(c)),
      options.queries * options.negatives,
      student.device,
    );
    const negative = bank.gather(classes, slots).reshape([classes.length, options.queries, options.negatives, -1]);
    const positive = classMeans(inputs.teacher, masks.positives, classes);
    return infoNce(query, positive, negative.to(query.dtype), options.temperature).sum().div(valid);
  });
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
    const toPositive = unitRows(positive).reshape([positive.shape[0]!, 1, 1, -1]).matmul(column).squeeze(-1); // [A, P, 1]
    const toNegatives = negative.matmul(column).squeeze(-1); // [A, P, N]
    const logits = cat([toPositive, toNegatives], 2).div(temperature);
    return logits.logSoftmax(2).select(2, 0).mean(1).neg();
  });
}

/** Pixels of each class in masks of shape [B, K, h, w], read back at once. */
function countByClass(masks: readonly Tensor[]): number[][] {
  const classes = masks[0]!.shape[1]!;
  const flat = stack(
    masks.map((mask) => mask.sum([0, 2, 3])),
    0,
  ).toArray();
  return masks.map((_, i) => flat.slice(i * classes, (i + 1) * classes));
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

/** Positions of drawn pixels of the given classes: [classes.length, each]. */
function drawPixels(
  mask: Tensor,
  counts: readonly number[],
  classes: readonly number[],
  draw: (counts: number[]) => Tensor,
): Tensor {
  const drawn = draw(classes.map((c) => counts[c]!));
  const starts: number[] = [];
  let start = 0;
  for (const count of counts) {
    starts.push(start);
    start += count;
  }
  const first = indexTensor(
    classes.map((c) => starts[c]!),
    drawn.device,
  );
  return positionsByClass(mask).indexSelect(0, drawn.add(first).flatten()).reshape(drawn.shape);
}

/** @param x [B, D, h, w] @param positions [M], b·h·w + pixel @returns [M, D] */
function pixelRows(x: Tensor, positions: Tensor): Tensor {
  // Not advanced indexing: its float32 gradient adds in parallel on CPUs, in another order each time, and no run could be repeated.
  return x.permute([0, 2, 3, 1]).flatten(0, 2).indexSelect(0, positions); // [B·h·w, D] → [n, D]
}

/** Mean representation of each class over its mask: [A, D]. One image after the other, so that no second copy of x is needed. */
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
      return sums.div(chosen.sum([0, 2, 3]).unsqueeze(1));
    }),
  );
}

function drawUniform(counts: readonly number[], each: number, device: string): Tensor {
  return scope(() => {
    const limit = indexTensor(counts, device);
    const drawn = rand([counts.length, each], { dtype: "float64", device }).mul(limit).to("int64");
    return drawn.minimum(limit.sub(1));
  });
}

/** A column of integers: [n, 1] int64. */
function indexTensor(values: readonly number[], device: string): Tensor {
  return tensor(BigInt64Array.from(values, BigInt), { shape: [values.length, 1], device });
}

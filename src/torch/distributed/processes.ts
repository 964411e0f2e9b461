/**
 * The processes that train together, as losses and steps see them: sums and gatherings over all of them. Without a launcher there is
 * one, for which every sum is the tensor itself, so that code written for many costs nothing alone.
 *
 * The loss of each process is its share of the loss of the whole batch (its own sum over everybody's count), and gradients are summed.
 */
import { synchronous } from "../scope.ts";
import type { Tensor } from "../tensor.ts";

export interface Processes {
  readonly rank: number;
  readonly size: number;
  /** Element-wise sum over all processes, the same bits for each: a new tensor without a graph; x itself where there is one process. */
  sum(x: Tensor): Tensor;
  /** One tensor a process, in the order of ranks; they may differ in their first dimension. Without a graph. */
  gather(x: Tensor): Tensor[];
  /** A JSON value of every process, in the order of ranks. */
  exchange<Value>(value: Value): Value[];
  /** Copies rank 0's values into everybody's tensors. */
  broadcast(tensors: Iterable<Tensor>): void;
  /** The largest value over all processes, without dimensions; with a graph, as `x.max()` for one process. */
  max(x: Tensor): Tensor;
  /**
   * Backward from this process's share of a loss, where it has a graph; the gradients of one network become those of all shares.
   * @param network one of those that `trainTogether` was given
   */
  backward(total: Tensor, network: object): void;
  /** Random numbers drawn inside are the same for every process; outside of it each draws its own. */
  alike<Result>(draw: () => Result): Result;
}

/** A process by itself. */
export const alone: Processes = {
  rank: 0,
  size: 1,
  sum: (x) => x,
  gather: (x) => [x],
  exchange: (value) => [value],
  broadcast: () => {},
  max: (x) => x.max(),
  backward(total) {
    // Without a graph there is nothing to learn in this step: a recipe may leave only losses that begin after the warm-up.
    if (total.requiresGrad) total.backward();
  },
  alike: (draw) => draw(),
};

let current: Processes = alone;

/** The processes that work together now. */
export function processes(): Processes {
  return current;
}

/** Makes a joined group the current one; `alone` ends that. */
export function setProcesses(group: Processes): void {
  current = group;
}

/** Work that every process does by itself, for all of it: what is summed or gathered inside is its own. */
export function byItself<Result>(body: () => Result): Result {
  const before = current;
  current = alone;
  try {
    return synchronous(body(), "byItself()", "call it between the awaits");
  } finally {
    current = before;
  }
}

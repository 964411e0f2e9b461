/** What several processes that train one network do in common around the steps; for one process all of it is nothing. */
import { availableParallelism } from "node:os";
import { CsrmError, expected, show } from "../errors.ts";
import { ProcessGroup, processes, scope, stack, type Tensor, tensor } from "../torch/index.ts";
import type { Module } from "../torch/nn/index.ts";
import { readWorld } from "../world.ts";
import type { Recipe } from "./config.ts";
import type { StepReport } from "./loop.ts";

/** Numbers of a step that are counts of images, not fractions: those of the whole batch are their sum. */
const COUNTS: ReadonlySet<string> = new Set(["mixed"]);

/**
 * Before the first step: the same parameters everywhere, random draws of one's own for dropout, gradients that are summed.
 * @param networks those that learn, and those that are only to be the same
 * @returns a function that ends it
 */
export function trainTogether(networks: readonly Module[], options: { seed: number; device: string }): () => void {
  const group = processes();
  if (!(group instanceof ProcessGroup)) return () => {};
  const { seed, device } = options;
  for (const network of networks) group.broadcast(network.stateDict().values());
  group.divideRandom(seed, device === "cpu" ? ["cpu"] : ["cpu", device]);
  const learning = networks.map((network) => {
    return [network, network.parameters().filter((parameter) => parameter.requiresGrad)] as const;
  });
  group.watch(new Map(learning.filter(([, parameters]) => parameters.length > 0)));
  return () => group.watch(new Map());
}

/** @param batches by the recipe's keys @throws CsrmError for one that the processes cannot share equally */
export function assertDivisible(batches: Readonly<Record<string, number>>): void {
  const { size } = processes();
  for (const [key, images] of Object.entries(batches)) {
    if (images % size === 0) continue;
    const near = Math.max(size, Math.round(images / size) * size);
    throw expected(`a multiple of ${size}, the number of processes,`, key, images, `say --set ${key}=${near}`);
  }
}

/** Threads for the operators of this process: what the recipe says, or its part of the machine's cores. */
export function ownThreads(threads: Recipe["threads"]): Recipe["threads"] {
  if (threads !== "auto" || processes().size === 1) return threads;
  return Math.max(1, Math.floor(availableParallelism() / readWorld().localSize));
}

/** True for all where it is so for one. */
export function agreeTo(wish: boolean): boolean {
  const group = processes();
  return group.size === 1 ? wish : scope(() => group.sum(tensor([wish ? 1 : 0])).item() > 0);
}

/** @throws CsrmError when the processes see different values of what they must share. @param what as in "the last checkpoint" */
export function assertShared(what: string, value: unknown): void {
  const all = processes().exchange(value ?? null);
  const other = all.findIndex((each) => JSON.stringify(each) !== JSON.stringify(all[0]));
  if (other < 0) return;
  throw new CsrmError(
    `the processes do not see the same ${what}: process 0 has ${show(all[0])}, process ${other} has ${show(all[other])}; ` +
      "all need the same files, e.g. on a shared file system",
    { code: "processes" },
  );
}

/** A step's numbers for the log, those of the whole batch. All processes must ask at the same time. */
export function ofWholeBatch<Report extends StepReport>(report: Report): Report {
  const group = processes();
  if (group.size === 1) return report;
  return scope(() => {
    const { total, losses, stats = {} } = report;
    const own = {
      ...losses,
      ...Object.fromEntries(Object.entries(stats).map(([name, value]) => [`stats ${name}`, value])),
    };
    const values = Object.values(own).map((value) => (typeof value === "number" ? tensor(value) : value));
    const flat = [total, ...values].map((value) => value.detach().to({ dtype: "float64", device: "cpu" }).reshape([]));
    const sums = group.sum(stack(flat)).toArray();
    const numbers = new Map(Object.keys(own).map((name, i) => [name, sums[i + 1]!]));
    const mean = (name: string) => numbers.get(`stats ${name}`)! / (COUNTS.has(name) ? 1 : group.size);
    return {
      ...report,
      total: tensor(sums[0]!, { dtype: "float64" }),
      losses: Object.fromEntries(
        Object.keys(losses).map((name): [string, Tensor] => [name, tensor(numbers.get(name)!, { dtype: "float64" })]),
      ),
      stats: Object.fromEntries(Object.keys(stats).map((name) => [name, mean(name)])),
    };
  });
}

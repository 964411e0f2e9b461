/** Batch normalisation that learns sees its own process's images only; the running statistics are kept the same for all by averaging. */
import { cat, noGrad, processes, scope } from "../torch/index.ts";
import { BatchNorm2d, type Module } from "../torch/nn/index.ts";

/** To be called after each step. Does nothing for one process, or where all batch normalisation is frozen. */
export function shareStatistics(network: Module): void {
  const group = processes();
  if (group.size === 1) return;
  const learning = [...network.namedModules().values()].filter(
    (module): module is BatchNorm2d => module instanceof BatchNorm2d && !module.frozen,
  );
  const statistics = learning.flatMap((module) => [module.running_mean, module.running_var]);
  if (statistics.length === 0) return;
  noGrad(() =>
    scope(() => {
      const means = group.sum(cat(statistics)).div(group.size);
      let at = 0;
      for (const each of statistics) {
        each.copy_(means.narrow(0, at, each.numel));
        at += each.numel;
      }
    }),
  );
}

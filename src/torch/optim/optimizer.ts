/** What every optimiser shares: parameter groups, gradients, state for checkpoints. Updates are fused over all tensors of a group. */
import { CsrmError } from "../../errors.ts";
import { noGrad } from "../autograd.ts";
import { keep, scope } from "../scope.ts";
import type { Tensor } from "../tensor.ts";

export interface ParameterGroup {
  /** By their names in the state dict: the optimiser's own state is saved under them. */
  parameters: ReadonlyMap<string, Tensor>;
  /** Learning rate; schedules change it between steps. */
  lr: number;
  weightDecay: number;
}

/** A parameter that has a gradient in this step. */
export interface Active {
  name: string;
  parameter: Tensor;
  gradient: Tensor;
}

export abstract class Optimizer {
  readonly groups: readonly ParameterGroup[];

  constructor(groups: readonly ParameterGroup[]) {
    const seen = new Set<string>();
    for (const group of groups) {
      for (const name of group.parameters.keys()) {
        if (seen.has(name)) throw new CsrmError(`parameter ${name} is in two groups of the optimiser`);
        seen.add(name);
      }
    }
    this.groups = groups;
  }

  /** Updates every parameter that has a gradient; those without one keep their value and their state. */
  step(): void {
    noGrad(() =>
      scope(() => {
        for (const group of this.groups) {
          const active: Active[] = [];
          for (const [name, parameter] of group.parameters) {
            const gradient = parameter.grad;
            if (gradient) active.push({ name, parameter, gradient });
          }
          if (active.length > 0) this.update(group, active);
        }
      }),
    );
  }

  protected abstract update(group: ParameterGroup, active: readonly Active[]): void;

  /** Forgets all gradients. */
  zeroGrad(): void {
    for (const group of this.groups) for (const parameter of group.parameters.values()) parameter.grad = null;
  }

  /** Everything a resumed run needs beside the parameters themselves. */
  abstract stateDict(): Map<string, Tensor>;

  /** @throws CsrmError naming the first entry that belongs to no parameter */
  abstract loadStateDict(state: ReadonlyMap<string, Tensor>): void;

  /** Frees the state. The optimiser must not step afterwards. */
  dispose(): void {
    for (const tensor of this.stateDict().values()) tensor.dispose();
  }

  protected named(): Map<string, Tensor> {
    return new Map(this.groups.flatMap((group) => [...group.parameters]));
  }
}

/** One kind of per-parameter state (momentum, first moment, …), created when a parameter first has a gradient. */
export class StateSlot {
  readonly suffix: string;
  readonly #tensors = new Map<string, Tensor>();

  constructor(suffix: string) {
    this.suffix = suffix;
  }

  get(name: string): Tensor | undefined {
    return this.#tensors.get(name);
  }

  set(name: string, tensor: Tensor): Tensor {
    this.#tensors.set(name, keep(tensor));
    return tensor;
  }

  save(into: Map<string, Tensor>): void {
    for (const [name, tensor] of this.#tensors) into.set(`${name}.${this.suffix}`, tensor);
  }

  /** Takes copies of the entries with this slot's suffix and returns how many there were. */
  load(state: ReadonlyMap<string, Tensor>, parameters: ReadonlyMap<string, Tensor>): number {
    for (const tensor of this.#tensors.values()) tensor.dispose();
    this.#tensors.clear();
    let count = 0;
    for (const [key, saved] of state) {
      if (!key.endsWith(`.${this.suffix}`)) continue;
      const name = key.slice(0, -this.suffix.length - 1);
      const parameter = parameters.get(name);
      if (!parameter) throw new CsrmError(`optimiser state ${key} belongs to no parameter of this model`);
      // Same layout as the parameter, so that fused updates run on equal strides.
      const own = parameter.detach().clone("preserve");
      own.copy_(saved);
      this.set(name, own);
      count++;
    }
    return count;
  }
}

/** Stochastic gradient descent with momentum as PyTorch defines it: d = g + wd·p; v = μv + d (v = d at first); p −= lr·(d + μv if Nesterov else v). */
import { expected } from "../../errors.ts";
import { op } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { type Active, Optimizer, type ParameterGroup, StateSlot } from "./optimizer.ts";

export interface SGDOptions {
  /** 0..1, default 0 (plain gradient descent). */
  momentum?: number;
  nesterov?: boolean;
}

export class SGD extends Optimizer {
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly #velocity = new StateSlot("momentum");

  constructor(groups: readonly ParameterGroup[], { momentum = 0, nesterov = false }: SGDOptions = {}) {
    super(groups);
    if (!(momentum >= 0 && momentum < 1)) throw expected("a number in [0, 1)", "momentum", momentum);
    if (nesterov && momentum === 0) throw expected("a momentum above 0", "Nesterov's SGD", momentum);
    this.momentum = momentum;
    this.nesterov = nesterov;
  }

  protected override update({ lr, weightDecay }: ParameterGroup, active: readonly Active[]): void {
    const parameters = active.map((a) => a.parameter);
    let direction = active.map((a) => a.gradient);
    if (weightDecay !== 0) direction = ops.add(direction, parameters, weightDecay);
    if (this.momentum !== 0) {
      const known = active.map((a) => this.#velocity.get(a.name));
      const moving = active.flatMap((_, i) => (known[i] ? [i] : []));
      if (moving.length > 0) {
        const velocities = moving.map((i) => known[i]!);
        ops.mul_(velocities, this.momentum);
        ops.add_(
          velocities,
          moving.map((i) => direction[i]!),
        );
      }
      // A first step starts with the direction itself, not with (1 − μ) of it.
      const velocity = active.map((a, i) => known[i] ?? this.#velocity.set(a.name, direction[i]!.clone()));
      direction = this.nesterov ? ops.add(direction, velocity, this.momentum) : velocity;
    }
    ops.add_(parameters, direction, -lr);
  }

  override stateDict(): Map<string, Tensor> {
    const state = new Map<string, Tensor>();
    this.#velocity.save(state);
    return state;
  }

  override loadStateDict(state: ReadonlyMap<string, Tensor>): void {
    const count = this.#velocity.load(state, this.named());
    if (count !== state.size) throw expected("only momentum entries", "SGD state", [...state.keys()].slice(0, 5));
  }
}

const ops = {
  add: op("aten::_foreach_add.List"),
  add_: op("aten::_foreach_add_.List"),
  mul_: op("aten::_foreach_mul_.Scalar"),
};

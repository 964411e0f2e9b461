/**
 * Loss scaling for float16, whose smallest normal number is 6e-5: losses are multiplied before backward and gradients divided after it.
 * The rules and numbers of torch.cuda.amp.GradScaler, decided on the host from the gradients' norm.
 */
import { noGrad } from "../autograd.ts";
import { op } from "../op.ts";
import { scope } from "../scope.ts";
import type { Tensor } from "../tensor.ts";

export interface LossScalerOptions {
  /** The first scale. */
  initial?: number;
  /** The scale is multiplied by this after `interval` good steps in a row. */
  growth?: number;
  /** The scale is multiplied by this after a step whose gradients are not finite. */
  backoff?: number;
  interval?: number;
}

/** What a checkpoint keeps. */
export interface LossScalerState {
  scale: number;
  /** Good steps since the scale last changed. */
  good: number;
  /** Steps skipped so far. */
  skipped: number;
}

const defaults = {
  initial: 65_536,
  growth: 2,
  backoff: 0.5,
  interval: 2000,
} satisfies Required<LossScalerOptions>;

export class LossScaler {
  readonly #options: Required<LossScalerOptions>;
  #state: LossScalerState;

  constructor(options: LossScalerOptions = {}) {
    this.#options = { ...defaults, ...options };
    this.#state = { scale: this.#options.initial, good: 0, skipped: 0 };
  }

  get scale(): number {
    return this.#state.scale;
  }

  get skipped(): number {
    return this.#state.skipped;
  }

  /** The loss to call backward on. */
  scaled(loss: Tensor): Tensor {
    return loss.mul(this.scale);
  }

  /** Divides all gradients, in place; before clipping. */
  unscale(parameters: Iterable<Tensor>): void {
    noGrad(() =>
      scope(() => {
        const gradients = [...parameters].map((parameter) => parameter.grad).filter((gradient) => gradient !== null);
        if (gradients.length > 0) multiplyAll(gradients, 1 / this.scale);
      }),
    );
  }

  /**
   * Moves the scale. A step whose gradients are not finite must be left out: it says that the scale is too large, unless it goes on.
   * @param finite whether all gradients are
   */
  update(finite: boolean): void {
    const { growth, backoff, interval } = this.#options;
    const { scale, good, skipped } = this.#state;
    if (!finite) this.#state = { scale: scale * backoff, good: 0, skipped: skipped + 1 };
    else if (good + 1 < interval) this.#state = { scale, good: good + 1, skipped };
    else this.#state = { scale: scale * growth, good: 0, skipped };
  }

  state(): LossScalerState {
    return { ...this.#state };
  }

  restore({ scale, good, skipped }: LossScalerState): void {
    this.#state = { scale, good, skipped };
  }
}

const multiplyAll = op("aten::_foreach_mul_.Scalar");

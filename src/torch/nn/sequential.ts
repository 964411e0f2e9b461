/** Ordered containers; children are named "0", "1", …  */
import { scope, type Tensor } from "../index.ts";
import { ReLU } from "./activation.ts";
import { Conv2d } from "./conv.ts";
import { convNorm } from "./conv-norm.ts";
import { type Layer, Module } from "./module.ts";
import { BatchNorm2d, GroupNorm } from "./norm.ts";

/** A list of modules, without a forward function of its own. */
export class ModuleList<T extends Module = Module> extends Module implements Iterable<T> {
  #items: T[];

  constructor(items: Iterable<T> = []) {
    super();
    this.#items = [...items];
  }

  get length(): number {
    return this.#items.length;
  }

  at(index: number): T {
    const item = this.#items.at(index);
    if (!item) throw new RangeError(`no module ${index} in a list of ${this.#items.length}`);
    return item;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#items[Symbol.iterator]();
  }

  override namedChildren(): [string, Module][] {
    return this.#items.map((item, index) => [String(index), item]);
  }

  override forward(..._args: never[]): unknown {
    throw new TypeError("a ModuleList has no forward function; call those of its members");
  }
}

/**
 * Layers applied one after the other. A convolution directly followed by batch normalisation, and perhaps a ReLU, is run as one
 * (conv-norm.ts), and so is a group normalisation directly followed by a ReLU.
 */
export class Sequential extends ModuleList<Layer> {
  constructor(...layers: Layer[]) {
    super(layers);
  }

  override forward(x: Tensor): Tensor {
    return this.run(x, 0, this.length);
  }

  /** Applies layers from..to−1 only. What backward does not need of the maps between them is freed. */
  run(x: Tensor, from: number, to: number): Tensor {
    return scope(() => {
      let y = x;
      for (let index = from; index < to; index++) {
        const layer = this.at(index);
        const next = index + 1 < to ? this.at(index + 1) : null;
        if (layer instanceof Conv2d && next instanceof BatchNorm2d) {
          const relu = index + 2 < to && this.at(index + 2) instanceof ReLU;
          y = convNorm(y, layer, next, { relu });
          index += relu ? 2 : 1;
        } else if (layer instanceof GroupNorm && next instanceof ReLU) {
          y = layer.forward(y, { relu: true });
          index++;
        } else {
          y = layer.forward(y);
        }
      }
      return y;
    });
  }
}

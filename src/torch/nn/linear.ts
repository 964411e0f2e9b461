/** Fully connected layer. */
import { F, type Tensor, zeros } from "../index.ts";
import { defaultWeightInit, type Initialiser, initialise, uniformInit } from "./init.ts";
import { Module } from "./module.ts";
import { parameter } from "./parameter.ts";

export interface LinearOptions {
  bias?: boolean;
  /** Of the weight; the bias is drawn from U(±1/√in). */
  init?: Initialiser;
}

/** x [..., in] → [..., out]; weight [out, in]. */
export class Linear extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor | null;

  constructor(inFeatures: number, outFeatures: number, { bias = true, init = defaultWeightInit }: LinearOptions = {}) {
    super();
    this.weight = parameter(zeros([outFeatures, inFeatures]));
    initialise(this.weight, init);
    this.bias = bias ? parameter(zeros([outFeatures])) : null;
    if (this.bias) initialise(this.bias, uniformInit(1 / Math.sqrt(inFeatures)));
  }

  forward(x: Tensor): Tensor {
    return F.linear(x, this.weight, this.bias ?? undefined);
  }
}

/** Dropout. */
import { expected } from "../../errors.ts";
import { F, type Tensor } from "../index.ts";
import { Module } from "./module.ts";

/** While training zeroes each value with probability p and scales the rest by 1/(1−p); does nothing in evaluation. */
export class Dropout extends Module {
  readonly p: number;
  constructor(p = 0.5) {
    super();
    if (!(p >= 0 && p <= 1)) throw expected("a number in 0..1", "dropout probability", p);
    this.p = p;
  }
  forward(x: Tensor): Tensor {
    return this.training && this.p > 0 ? F.dropout(x, this.p, true) : x;
  }
}

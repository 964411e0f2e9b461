/** Pooling layers over the two spatial dimensions. */
import { F, type Tensor } from "../index.ts";
import { Module } from "./module.ts";

export interface PoolOptions {
  /** Default: the kernel. */
  stride?: number;
  padding?: number;
  /** A last, partly covered window counts. */
  ceilMode?: boolean;
}

/** [B, C, H, W] → [B, C, H', W'], the largest value of each window. */
export class MaxPool2d extends Module {
  readonly kernel: number;
  readonly options: PoolOptions;
  constructor(kernel: number, options: PoolOptions = {}) {
    super();
    this.kernel = kernel;
    this.options = options;
  }
  forward(x: Tensor): Tensor {
    return F.maxPool2d(x, this.kernel, this.options);
  }
}

/** [B, C, H, W] → [B, C, H', W'], the mean of each window, with or without the padding's zeros. */
export class AvgPool2d extends Module {
  readonly kernel: number;
  readonly options: PoolOptions & { countIncludePad?: boolean };
  constructor(kernel: number, options: PoolOptions & { countIncludePad?: boolean } = {}) {
    super();
    this.kernel = kernel;
    this.options = options;
  }
  forward(x: Tensor): Tensor {
    return F.avgPool2d(x, this.kernel, this.options);
  }
}

/** [B, C, H, W] → [B, C, 1, 1], the mean of the map. */
export class GlobalAvgPool2d extends Module {
  forward(x: Tensor): Tensor {
    return x.mean([2, 3], true);
  }
}

/** Two-dimensional convolution, with PyTorch's symmetric padding or TensorFlow's "SAME" padding. */
import { F, scope, type Tensor, zeros } from "../index.ts";
import { dilatedDepthwise } from "./depthwise.ts";
import { defaultWeightInit, fanIn, type Initialiser, initialise, uniformInit } from "./init.ts";
import { Module } from "./module.ts";
import { parameter } from "./parameter.ts";

/** Zeros around the map: as many on each side, or "tf_same": ceil(size/stride) outputs, the odd zero at the bottom and right. */
export type Padding = number | "tf_same";

export interface Conv2dOptions {
  stride?: number;
  padding?: Padding;
  dilation?: number;
  groups?: number;
  bias?: boolean;
  init?: Initialiser;
}

const defaults = {
  stride: 1,
  padding: 0,
  dilation: 1,
  groups: 1,
  bias: true,
  init: defaultWeightInit,
} satisfies Required<Conv2dOptions>;

/** x [B, in, H, W] → [B, out, H', W']; weight [out, in/groups, k, k]. */
export class Conv2d extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: Padding;
  readonly dilation: number;
  readonly groups: number;

  constructor(inChannels: number, outChannels: number, kernel: number, options: Conv2dOptions = {}) {
    super();
    const { bias, init, ...geometry } = { ...defaults, ...options };
    this.kernel = kernel;
    this.stride = geometry.stride;
    this.padding = geometry.padding;
    this.dilation = geometry.dilation;
    this.groups = geometry.groups;
    this.weight = parameter(zeros([outChannels, inChannels / this.groups, kernel, kernel]));
    initialise(this.weight, init);
    this.bias = bias ? parameter(zeros([outChannels])) : null;
    if (this.bias) initialise(this.bias, uniformInit(1 / Math.sqrt(fanIn(this.weight))));
  }

  forward(x: Tensor): Tensor {
    return this.convolve(x, this.weight, this.bias);
  }

  /** The same convolution with another weight and bias of the same shapes, e.g. with a normalisation folded in. */
  convolve(x: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
    const { stride, dilation, groups } = this;
    const geometry = { bias, stride, dilation, groups };
    if (this.dilatedDepthwise && x.device === "cpu") return scope(() => dilatedDepthwise(x, weight, bias, dilation));
    if (this.padding !== "tf_same") return F.conv2d(x, weight, { ...geometry, padding: this.padding });
    const rows = this.sameZeros(x.shape[2]!);
    const columns = this.sameZeros(x.shape[3]!);
    if (rows % 2 === 0 && columns % 2 === 0) {
      return F.conv2d(x, weight, { ...geometry, padding: [rows / 2, columns / 2] });
    }
    return scope(() => {
      const padded = F.pad(x, [
        Math.floor(columns / 2),
        Math.ceil(columns / 2),
        Math.floor(rows / 2),
        Math.ceil(rows / 2),
      ]); // [B, in, H + rows, W + columns]
      return F.conv2d(padded, weight, { ...geometry, padding: 0 });
    });
  }

  private get dilatedDepthwise(): boolean {
    const { weight, kernel, stride, dilation, groups } = this;
    const depthwise = groups > 1 && weight.shape[0] === groups && weight.shape[1] === 1;
    return (
      depthwise && dilation > 1 && stride === 1 && kernel % 2 === 1 && this.padding === ((kernel - 1) / 2) * dilation
    );
  }

  /** Zeros that "SAME" adds along one dimension in all, for ceil(size/stride) outputs. */
  private sameZeros(size: number): number {
    const outputs = Math.ceil(size / this.stride);
    return Math.max(0, (outputs - 1) * this.stride + (this.kernel - 1) * this.dilation + 1 - size);
  }
}

/** Batch, group and layer normalisation. */
import { expected } from "../../errors.ts";
import { F, kernelsTake, noGrad, ones, op, scope, type Tensor, zeros } from "../index.ts";
import { Module } from "./module.ts";
import { buffer, parameter } from "./parameter.ts";

const groupNormRelu = op("csrm::group_norm_relu");
const gpuGroupNorm = op("csrm::gpu_group_norm");

export interface BatchNorm2dOptions {
  eps?: number;
  /** Weight of the new batch in the running statistics. */
  momentum?: number;
}

/**
 * Normalises each channel of x [B, C, H, W] by the batch's statistics (training) or by running ones (evaluation, or
 * `frozen`: then also while training, so that the layer is a constant affine map and its buffers never change).
 */
export class BatchNorm2d extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly running_mean: Tensor;
  readonly running_var: Tensor;
  readonly num_batches_tracked: Tensor;
  readonly eps: number;
  readonly momentum: number;
  frozen = false;

  constructor(channels: number, { eps = 1e-5, momentum = 0.1 }: BatchNorm2dOptions = {}) {
    super();
    this.weight = parameter(ones([channels]));
    this.bias = parameter(zeros([channels]));
    this.running_mean = buffer(zeros([channels]));
    this.running_var = buffer(ones([channels]));
    this.num_batches_tracked = buffer(zeros([], { dtype: "int64" }));
    this.eps = eps;
    this.momentum = momentum;
  }

  /** Stops the weight, the bias and the running statistics from changing, whatever the training mode. */
  freeze(): void {
    this.frozen = true;
    this.weight.requiresGrad_(false);
    this.bias.requiresGrad_(false);
  }

  get usesRunningStatistics(): boolean {
    return this.frozen || !this.training;
  }

  forward(x: Tensor): Tensor {
    const training = !this.usesRunningStatistics;
    if (training) noGrad(() => this.num_batches_tracked.add_(1));
    return F.batchNorm(x, {
      weight: this.weight,
      bias: this.bias,
      runningMean: this.running_mean,
      runningVar: this.running_var,
      training,
      momentum: this.momentum,
      eps: this.eps,
    });
  }

  /** With running statistics the layer is x·scale + shift; both [C], differentiable in weight and bias. */
  affine(): { scale: Tensor; shift: Tensor } {
    const scale = this.weight.mul(this.running_var.add(this.eps).pow(-0.5));
    return { scale, shift: this.bias.sub(this.running_mean.mul(scale)) };
  }
}

/** Normalises groups of channels of each sample of x [B, C, ...]. */
export class GroupNorm extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly groups: number;
  readonly eps: number;

  constructor(groups: number, channels: number, { eps = 1e-5 }: { eps?: number } = {}) {
    super();
    if (channels % groups !== 0) throw expected(`a multiple of ${groups}`, "channels of GroupNorm", channels);
    this.weight = parameter(ones([channels]));
    this.bias = parameter(zeros([channels]));
    this.groups = groups;
    this.eps = eps;
  }

  /** With `relu` as the activation that follows. Under autocast computes in the weights' precision. */
  forward(x: Tensor, { relu = false } = {}): Tensor {
    const { groups, weight, bias, eps } = this;
    if (x.device === "cpu" && x.ndim === 4 && x.dtype !== "float16") {
      return groupNormRelu(x, groups, weight, bias, eps, relu);
    }
    const fits = weight.dtype === "float32" && weight.numel % (4 * groups) === 0;
    if (fits && kernelsTake(x)) return gpuGroupNorm(x, groups, weight, bias, eps, relu);
    return scope(() => {
      const y = F.groupNorm(x.to(weight.dtype), groups, { weight, bias, eps }).to(x.dtype);
      return relu ? F.relu(y) : y;
    });
  }
}

/** Normalises the last dimension of x [..., C]. */
export class LayerNorm extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly eps: number;

  constructor(channels: number, { eps = 1e-5 }: { eps?: number } = {}) {
    super();
    this.weight = parameter(ones([channels]));
    this.bias = parameter(zeros([channels]));
    this.eps = eps;
  }

  forward(x: Tensor): Tensor {
    const { weight, bias, eps } = this;
    return F.layerNorm(x, [weight.shape[0]!], { weight, bias, eps });
  }
}

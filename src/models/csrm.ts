/** The CSRM network: classification, segmentation and representation branches on one backbone (paper section 3). */
import { expected } from "../errors.ts";
import { F, scope, type Tensor } from "../torch/index.ts";
import { GroupNorm, ReLU, Sequential } from "../torch/nn/index.ts";
import { ASPP, HEAD_GROUPS, headConv, outputConv } from "./aspp.ts";
import { Classifier, type ClassifierOptions, type ClassifierOutput } from "./classifier.ts";
import { fuse, LOW_CHANNELS, lowProjection, runHead, scoreDecoder } from "./decoder.ts";

export interface CSRMOptions extends ClassifierOptions {
  /** Width of ASPP, decoder and representation. Default 256. */
  headChannels?: number;
  /** Stride at which the branches work and of `seg` and `rep`; 8 costs a quarter of 4. Default 4. */
  decoderStride?: 4 | 8;
}

/** Which outputs to compute; all by default. */
export interface CSRMForwardOptions {
  cam?: boolean;
  seg?: boolean;
  rep?: boolean;
}

export interface CSRMOutput extends ClassifierOutput {
  /** Segmentation logits [B, C + 1, H/s, W/s] at the decoder's stride; channel 0 is the background. */
  seg?: Tensor;
  /** Representations [B, headChannels, H/s, W/s], not normalised. */
  rep?: Tensor;
}

/** Parameters: backbone.*, classifier.weight, aspp.*, project.*, decoder.*, representation.*. */
export class CSRM extends Classifier {
  readonly aspp: ASPP;
  readonly project: Sequential;
  readonly decoder: Sequential;
  readonly representation: Sequential;
  readonly headChannels: number;
  readonly decoderStride: 4 | 8;

  constructor({ headChannels = 256, decoderStride = 4, ...options }: CSRMOptions) {
    super(options);
    const { backbone, classes } = options;
    if (decoderStride !== 4 && decoderStride !== 8) throw expected("4 or 8", "decoder stride", decoderStride);
    if (!Number.isInteger(headChannels) || headChannels < HEAD_GROUPS || headChannels % HEAD_GROUPS !== 0) {
      throw expected(`a positive multiple of ${HEAD_GROUPS}`, "head channels", headChannels);
    }
    const channels = headChannels;
    const fused = channels + LOW_CHANNELS;
    const { highChannels, lowChannels, outputStride } = backbone;
    this.aspp = new ASPP({ inChannels: highChannels, channels, outputStride });
    this.project = lowProjection(lowChannels);
    this.decoder = scoreDecoder({ inChannels: fused, channels, classes: classes + 1, dropouts: [0.1, 0.1] });
    this.representation = new Sequential(
      headConv(fused, channels, 3),
      new GroupNorm(HEAD_GROUPS, channels),
      new ReLU(),
      outputConv(channels, channels),
    );
    this.headChannels = channels;
    this.decoderStride = decoderStride;
  }

  /** Normalised image [B, 3, H, W] → logits [B, C] and the outputs asked for; nothing else is computed. */
  override forward(x: Tensor, { cam = true, seg = true, rep = true }: CSRMForwardOptions = {}): CSRMOutput {
    return scope(() => {
      const { low, high } = this.backbone.forward(x);
      const output: CSRMOutput = this.classify(high, cam);
      if (!seg && !rep) return output;
      const fused = fuse(this.aspp.forward(high), this.project.forward(this.pooled(low))); // channels + 48 at H/s, W/s
      if (seg) output.seg = runHead(this.decoder, fused);
      if (rep) output.rep = runHead(this.representation, fused);
      return output;
    });
  }

  /** The stride-4 map at the decoder's stride. */
  private pooled(low: Tensor): Tensor {
    return this.decoderStride === 4 ? low : F.avgPool2d(low, 2, { ceilMode: true, countIncludePad: false });
  }
}

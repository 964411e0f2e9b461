/** The parts that turn low- and high-level maps into class scores, shared by the segmentation networks. */
import { cat, F, op, scope, type Tensor } from "../torch/index.ts";
import { type Conv2d, Dropout, GroupNorm, ReLU, Sequential } from "../torch/nn/index.ts";
import { HEAD_GROUPS, headConv, outputConv } from "./aspp.ts";

const upsampledTaps = op("csrm::upsampled_taps");

/** Channels to which the low-level map is reduced. */
export const LOW_CHANNELS = 48;

/** 1×1 reduction of the low-level map: [B, in, H, W] → [B, 48, H, W]; indices 0 convolution, 1 normalisation. */
export function lowProjection(inChannels: number): Sequential {
  return new Sequential(headConv(inChannels, LOW_CHANNELS, 1), new GroupNorm(HEAD_GROUPS, LOW_CHANNELS), new ReLU());
}

/** ASPP's map, upsampled (bilinear, corners aligned) to the low-level map's size, and that map, as heads begin with them. */
export type Fused =
  /** [B, C + 48, H, W] */
  | { stacked: Tensor }
  /** Not upsampled yet, and need not be: aspp [B, C, h, w], low [B, 48, H, W]. */
  | { aspp: Tensor; low: Tensor };

/** On CPUs the two stay apart where that saves work; a GPU convolves faster than it would run the sum of taps. */
export function fuse(aspp: Tensor, low: Tensor): Fused {
  const [, , height, width] = low.shape as [number, number, number, number];
  const wider = height * width >= 2 * aspp.shape[2]! * aspp.shape[3]!;
  if (wider && low.device === "cpu" && aspp.dtype !== "float16") return { aspp, low };
  const large = F.interpolate(aspp, { size: [height, width], mode: "bilinear", alignCorners: true });
  return { stacked: cat([large, low], 1) };
}

/** A head whose first layer is a 3×3 convolution of the fused maps: [B, out, H, W]. */
export function runHead(head: Sequential, fused: Fused): Tensor {
  return scope(() => {
    if ("stacked" in fused) return head.forward(fused.stacked);
    return head.run(convolveApart(head.at(0) as Conv2d, fused.aspp, fused.low), 1, head.length);
  });
}

/**
 * The convolution of both maps without upsampling ASPP's: its nine taps as one 1×1 convolution at ASPP's own size, summed up at the
 * large one (native/kernels/upsampled_taps.cc), to the low-level map's own convolution. The same but for rounding.
 */
function convolveApart(conv: Conv2d, aspp: Tensor, low: Tensor): Tensor {
  const { weight } = conv;
  const channels = aspp.shape[1]!;
  // [out, C + 48, 3, 3] → [9·out, C, 1, 1], tap after tap
  const taps = weight.narrow(1, 0, channels).permute([2, 3, 0, 1]).reshape([-1, channels, 1, 1]);
  const base = conv.convolve(low, weight.narrow(1, channels, low.shape[1]!), null);
  return upsampledTaps(F.conv2d(aspp, taps), base);
}

export interface DecoderOptions {
  inChannels: number;
  channels: number;
  classes: number;
  /** After the first and the second 3×3 convolution. */
  dropouts: readonly [number, number];
}

/** For runHead: fused maps with `inChannels` in all → [B, classes, H, W]; parameters at indices 0, 1, 4, 5 and 8. */
export function scoreDecoder({ inChannels, channels, classes, dropouts }: DecoderOptions): Sequential {
  return new Sequential(
    headConv(inChannels, channels, 3),
    new GroupNorm(HEAD_GROUPS, channels),
    new ReLU(),
    new Dropout(dropouts[0]),
    headConv(channels, channels, 3),
    new GroupNorm(HEAD_GROUPS, channels),
    new ReLU(),
    new Dropout(dropouts[1]),
    outputConv(channels, classes),
  );
}

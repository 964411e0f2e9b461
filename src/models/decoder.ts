/** The parts that turn fused low- and high-level maps into class scores, shared by the segmentation networks. */
import { cat, F, type Tensor } from "../torch/index.ts";
import { Dropout, GroupNorm, ReLU, Sequential } from "../torch/nn/index.ts";
import { HEAD_GROUPS, headConv, outputConv } from "./aspp.ts";

/** Channels to which the low-level map is reduced. */
export const LOW_CHANNELS = 48;

/** 1×1 reduction of the low-level map: [B, in, H, W] → [B, 48, H, W]; indices 0 convolution, 1 normalisation. */
export function lowProjection(inChannels: number): Sequential {
  return new Sequential(headConv(inChannels, LOW_CHANNELS, 1), new GroupNorm(HEAD_GROUPS, LOW_CHANNELS), new ReLU());
}

/** ASPP map upsampled (bilinear, corners aligned) to the low-level map's size, then both stacked: [B, C + 48, H, W]. */
export function fuse(aspp: Tensor, low: Tensor): Tensor {
  const size: [number, number] = [low.shape[2]!, low.shape[3]!];
  return cat([F.interpolate(aspp, { size, mode: "bilinear", alignCorners: true }), low], 1);
}

export interface DecoderOptions {
  inChannels: number;
  channels: number;
  classes: number;
  /** After the first and the second 3×3 convolution. */
  dropouts: readonly [number, number];
}

/** [B, in, H, W] → [B, classes, H, W]; parameters at indices 0, 1, 4, 5 and 8. */
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

/** The golden files of Segment Anything: a tiny network in full, ViT-B sampled. */
import type { SamConfig } from "../../../src/models/sam/config.ts";
import { type Golden, readGolden } from "../../helpers/golden.ts";

export interface DecoderCase {
  points_xy: [number, number][][] | null;
  point_labels: number[][] | null;
  boxes_xyxy: number[][] | null;
  sparse: Golden;
  low_res_masks_all4: Golden;
  iou_all4: Golden;
  postprocessed: Golden;
  stability_scores: Golden;
  "stability_scores_offset_0.1": Golden;
  boxes_of_binary_masks: Golden;
  areas: Golden;
}

export interface SamGolden {
  input: string;
  input_shape: number[];
  encoder: Record<string, Golden>;
  dense_pe: Golden;
  decoder: DecoderCase[];
}

export interface TinyGolden extends SamGolden {
  config: Record<string, number> & { global_blocks: number[] };
  state_keys: Record<string, number[]>;
  no_mask_dense_embedding: Golden;
  mask_prompt: { input: string; shape: number[]; dense_embedding: Golden };
}

export const tiny = readGolden<{ tiny: TinyGolden }>("10-sam-tiny-amg").tiny;
export const vitB = readGolden<SamGolden & { n_state_entries: number; n_params: number }>("10-sam-vitb");

/** The tiny network of the golden file: 64² pixels, 8 × 8 cells. */
export function tinyConfig(): SamConfig {
  const { config } = tiny;
  return {
    imageSize: config.image_size!,
    stride: config.patch!,
    encoder: {
      kind: "vit",
      patch: config.patch!,
      dim: config.embed_dim!,
      depth: config.depth!,
      heads: config.heads!,
      window: config.window!,
      globalBlocks: config.global_blocks,
      mlpRatio: config.mlp_ratio!,
    },
    channels: config.prompt_dim!,
    maskChannels: config.mask_in_chans!,
    decoder: {
      depth: config.decoder_depth!,
      heads: config.decoder_heads!,
      mlp: config.decoder_mlp!,
      iouHidden: config.iou_head_hidden!,
      iouDepth: config.iou_head_depth!,
    },
  };
}

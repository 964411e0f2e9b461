/** The sizes of the published Segment Anything networks (Kirillov et al. 2023) and of MobileSAM (Zhang et al. 2023). */

/** The plain vision transformer of SAM. */
export interface VitConfig {
  kind: "vit";
  /** Side of a patch in pixels. */
  patch: number;
  dim: number;
  depth: number;
  heads: number;
  /** Side of the windows that blocks attend within, in patches. */
  window: number;
  /** Blocks that attend over the whole image. */
  globalBlocks: readonly number[];
  /** Hidden width of a block's perceptron, in widths of the block. */
  mlpRatio: number;
}

/** The small hierarchical transformer of MobileSAM: a stage of convolutions and three of windowed attention. */
export interface TinyVitConfig {
  kind: "tiny_vit";
  dims: readonly [number, number, number, number];
  depths: readonly [number, number, number, number];
  heads: readonly [number, number, number, number];
  windows: readonly [number, number, number, number];
  /** Classes of the classifier of its pretraining, which the published file still holds; unused here. */
  classes: number;
}

export interface SamConfig {
  /** Side of the square that photographs are fitted into, in pixels. */
  imageSize: number;
  /** Pixels for each cell of the embedding, along a side. */
  stride: number;
  encoder: VitConfig | TinyVitConfig;
  /** Channels of the embedding, the prompts and the decoder. */
  channels: number;
  /** Channels that a mask given as a prompt has before its last convolution. */
  maskChannels: number;
  decoder: { depth: number; heads: number; mlp: number; iouHidden: number; iouDepth: number };
}

const shared = {
  imageSize: 1024,
  stride: 16,
  channels: 256,
  maskChannels: 16,
  decoder: { depth: 2, heads: 8, mlp: 2048, iouHidden: 256, iouDepth: 3 },
} satisfies Omit<SamConfig, "encoder">;

function vit(dim: number, depth: number, heads: number, globalBlocks: readonly number[]): SamConfig {
  return { ...shared, encoder: { kind: "vit", patch: 16, window: 14, mlpRatio: 4, dim, depth, heads, globalBlocks } };
}

const tinyVit = {
  kind: "tiny_vit",
  dims: [64, 128, 160, 320],
  depths: [2, 2, 6, 2],
  heads: [2, 4, 5, 10],
  windows: [7, 7, 14, 7],
  classes: 1000,
} satisfies TinyVitConfig;

export type SamVariant = "mobile_sam" | "sam_vit_b" | "sam_vit_l" | "sam_vit_h";

/** By the names that the publishers give the networks; the smallest first. */
export const samVariants: Readonly<Record<SamVariant, SamConfig>> = {
  mobile_sam: { ...shared, encoder: tinyVit },
  sam_vit_b: vit(768, 12, 12, [2, 5, 8, 11]),
  sam_vit_l: vit(1024, 24, 16, [5, 11, 17, 23]),
  sam_vit_h: vit(1280, 32, 16, [7, 15, 23, 31]),
};

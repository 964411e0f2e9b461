/** Segment Anything (Kirillov et al. 2023) and MobileSAM (Zhang et al. 2023): masks of what prompts point at, for inference. */
import { noGrad, scope, type Tensor } from "../../torch/index.ts";
import { Module, withoutInit } from "../../torch/nn/index.ts";
import { type SamConfig, type SamVariant, samVariants } from "./config.ts";
import { type ImageEncoder, VitEncoder } from "./image-encoder.ts";
import { type Decoded, MaskDecoder } from "./mask-decoder.ts";
import { PromptEncoder, type Prompts } from "./prompt-encoder.ts";
import { TinyVitEncoder } from "./tiny-vit.ts";

/** An image as the decoder needs it. */
export interface Embedded {
  /** [1, C, h, w] */
  embedding: Tensor;
  /** [1, C, h, w], the same for every image. */
  positions: Tensor;
}

export class Sam extends Module {
  readonly image_encoder: ImageEncoder;
  readonly prompt_encoder: PromptEncoder;
  readonly mask_decoder: MaskDecoder;
  readonly config: SamConfig;

  constructor(config: SamConfig) {
    super();
    this.config = config;
    this.image_encoder = createEncoder(config);
    this.prompt_encoder = new PromptEncoder(config);
    this.mask_decoder = new MaskDecoder(config);
  }

  /** @param image [1, 3, S, S], normalised, zeros below and to the right of the photograph */
  embed(image: Tensor): Embedded {
    return scope(() => ({
      embedding: this.image_encoder.forward(image),
      positions: this.prompt_encoder.densePositions(),
    }));
  }

  /** The transformer's part of the decoder for B prompts; `mask_decoder.masks` draws them. */
  decode(image: Embedded, prompts: Prompts): Decoded {
    return noGrad(() => scope(() => this.mask_decoder.decode({ ...image, ...this.prompt_encoder.forward(prompts) })));
  }

  /** Logits [B, 4, 4h, 4w] and expected intersections over union [B, 4]. */
  forward(image: Embedded, prompts: Prompts): { masks: Tensor; iou: Tensor } {
    return scope(() => {
      const decoded = this.decode(image, prompts);
      return { masks: this.mask_decoder.masks(decoded), iou: decoded.iou };
    });
  }
}

function createEncoder(config: SamConfig): ImageEncoder {
  const { encoder } = config;
  return encoder.kind === "vit" ? new VitEncoder(encoder, config) : new TinyVitEncoder(encoder, config);
}

/** A network of a published size whose numbers are all still to be loaded. */
export function createSam(variant: SamVariant): Sam {
  return withoutInit(() => new Sam(samVariants[variant]).eval());
}

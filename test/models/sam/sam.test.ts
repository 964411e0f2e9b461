import { describe, expect, it, onTestFinished } from "vitest";
import { VitEncoder } from "../../../src/models/sam/image-encoder.ts";
import type { Prompts } from "../../../src/models/sam/prompt-encoder.ts";
import { createSam, Sam } from "../../../src/models/sam/sam.ts";
import { liveTensors, noGrad, scope, type Tensor, tensor } from "../../../src/torch/index.ts";
import { withoutInit } from "../../../src/torch/nn/index.ts";
import { fillGradient, fillInput, fillModule } from "../../helpers/fill.ts";
import { expectGolden, type Golden, recordDeviation } from "../../helpers/golden.ts";
import { type DecoderCase, type SamGolden, tiny, tinyConfig, vitB } from "./golden.ts";

function filled(sam: Sam): Sam {
  fillModule(sam);
  onTestFinished(() => sam.dispose());
  return sam.eval();
}

const tinySam = () => filled(withoutInit(() => new Sam(tinyConfig())));

function prompts({ points_xy, point_labels, boxes_xyxy }: DecoderCase): Prompts {
  return {
    points: points_xy ? { xy: tensor(points_xy), labels: tensor(point_labels!) } : undefined,
    boxes: boxes_xyxy ? tensor(boxes_xyxy) : undefined,
  };
}

/** What the encoder has after its patches, positions, each block and the neck. */
function stages(sam: Sam, images: Tensor): Record<string, Tensor> {
  const encoder = sam.image_encoder;
  if (!(encoder instanceof VitEncoder)) throw new Error("not a plain transformer");
  return noGrad(() => {
    const found: Record<string, Tensor> = { patch_embed: encoder.patch_embed.forward(images) };
    const x = found.patch_embed!.add(encoder.pos_embed);
    found.plus_pos = x.clone();
    for (const [index, block] of [...encoder.blocks].entries()) found[`block${index}`] = block.forward(x).clone();
    found.neck = encoder.neck.forward(x);
    return found;
  });
}

function expectStages(sam: Sam, golden: SamGolden, tolerance: number): Tensor {
  const found = stages(sam, fillInput(golden.input, golden.input_shape));
  for (const [name, each] of Object.entries(golden.encoder)) expectGolden(found[name]!, each, { tolerance, name });
  return found.neck!;
}

function expectDecoder(sam: Sam, embedding: Tensor, golden: SamGolden, tolerance: number): void {
  const positions = sam.prompt_encoder.densePositions();
  expectGolden(positions, golden.dense_pe, { tolerance: 1e-5, name: "dense positions" });
  for (const [index, each] of golden.decoder.entries()) {
    const { sparse } = sam.prompt_encoder.forward(prompts(each));
    expectGolden(sparse, each.sparse, { tolerance: 2e-5, name: `prompts ${index}` });
    const { masks, iou } = sam.forward({ embedding, positions }, prompts(each));
    expectGolden(masks, each.low_res_masks_all4, { tolerance, name: `masks ${index}` });
    expectGolden(iou, each.iou_all4, { tolerance, name: `IoU ${index}` });
  }
}

describe("a tiny SAM", () => {
  it("has the published names and shapes", () => {
    const shapes = [...tinySam().stateDict()].map(([key, each]) => [key, each.shape]);
    expect(Object.fromEntries(shapes)).toEqual(tiny.state_keys);
  });

  it("computes the public code's embeddings, masks and qualities for points, boxes and both", () => {
    const sam = tinySam();
    scope(() => expectDecoder(sam, expectStages(sam, tiny, 1e-5), tiny, 1e-5));
  });

  it("encodes a mask as a prompt, and its absence", () => {
    const sam = tinySam();
    scope(() => {
      const { input, shape, dense_embedding: golden } = tiny.mask_prompt;
      const { dense } = sam.prompt_encoder.forward({ masks: fillGradient(input, shape) });
      // Normalising two channels, as this network does first, multiplies what rounding does to nearly equal ones.
      expectGolden(dense, golden, { tolerance: 1e-4 });
      const none = sam.prompt_encoder.forward(prompts(tiny.decoder[0]!)).dense;
      expectGolden(none.expand([1, 32, 8, 8]), tiny.no_mask_dense_embedding as Golden, { tolerance: 1e-6 });
    });
  });

  it("refuses to decode without any prompt", () => {
    const sam = tinySam();
    expect(() => sam.prompt_encoder.forward({})).toThrow("expected points, boxes or masks for the prompts");
  });

  it("gives a prompt the same masks whatever others are in its batch, and leaves no tensors behind", () => {
    const sam = tinySam();
    const before = liveTensors();
    scope(() => {
      const image = sam.embed(fillInput(tiny.input, tiny.input_shape));
      const points = tiny.decoder[0]!;
      const both = sam.forward(image, prompts(points)).masks;
      for (const i of [0, 1]) {
        const xy = tensor([points.points_xy![i]!]);
        const alone = sam.forward(image, { points: { xy, labels: tensor([[1]]) } }).masks;
        expect(
          alone
            .sub(both.narrow(0, i, 1))
            .abs()
            .max()
            .item(),
        ).toBeLessThan(1e-5);
      }
    });
    expect(liveTensors()).toBe(before);
  });

  it("stays close to itself in bfloat16", () => {
    const sam = tinySam();
    scope(() => {
      const images = fillInput(tiny.input, tiny.input_shape);
      const exact = sam.image_encoder.forward(images);
      const rounded = sam.image_encoder.setPrecision("bfloat16").forward(images);
      expect(rounded.dtype).toBe("float32");
      const off = rounded.sub(exact).abs().max().item();
      expect(off).toBeGreaterThan(0);
      expect(off / exact.abs().max().item()).toBeLessThan(0.03);
    });
  });
});

describe("SAM ViT-B", () => {
  it("computes the public code's embedding, masks and qualities", () => {
    const sam = filled(createSam("sam_vit_b"));
    const state = sam.stateDict();
    expect(state.size).toBe(vitB.n_state_entries);
    expect(sam.parameters().reduce((sum, each) => sum + each.numel, 0)).toBe(vitB.n_params);
    scope(() => {
      const embedding = expectStages(sam, vitB, 2e-5);
      expectDecoder(sam, embedding, vitB, 2e-5);
      const images = fillInput(vitB.input, vitB.input_shape);
      const rounded = sam.image_encoder.setPrecision("bfloat16").forward(images);
      const off = rounded.sub(embedding).abs().max().item() / embedding.abs().max().item();
      recordDeviation("embedding in bfloat16", off);
      expect(off).toBeLessThan(0.03);
    });
  }, 300_000);
});

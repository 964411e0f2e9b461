import { describe, expect, it, onTestFinished } from "vitest";
import type { TinyVitConfig } from "../../../src/models/sam/config.ts";
import { createSam } from "../../../src/models/sam/sam.ts";
import { TinyVitEncoder } from "../../../src/models/sam/tiny-vit.ts";
import { liveTensors, noGrad, scope, zeros } from "../../../src/torch/index.ts";
import { withoutInit } from "../../../src/torch/nn/index.ts";
import { fillInput, fillModule } from "../../helpers/fill.ts";
import { expectGolden, type Golden, readGolden } from "../../helpers/golden.ts";

const golden = readGolden<{
  config: Omit<TinyVitConfig, "kind">;
  channels: number;
  input: string;
  input_shape: number[];
  stages: Golden[];
  embedding: Golden;
}>("tiny-vit");

function small(): TinyVitEncoder {
  const { config, channels } = golden;
  const encoder = withoutInit(() => new TinyVitEncoder({ kind: "tiny_vit", ...config }, { channels }));
  fillModule(encoder);
  onTestFinished(() => encoder.dispose());
  encoder.eval();
  return encoder;
}

describe("TinyViT", () => {
  it("computes what its description, written out in PyTorch, computes", () => {
    const encoder = small();
    const before = liveTensors();
    scope(() => {
      const images = fillInput(golden.input, golden.input_shape);
      let x = noGrad(() => encoder.patch_embed.forward(images.contiguous("channels_last")));
      for (const [i, stage] of golden.stages.entries()) {
        x = noGrad(() => encoder.layers.at(i).forward(x));
        expectGolden(x, stage, { tolerance: 1e-5, name: `stage ${i}` });
      }
      expectGolden(encoder.forward(images), golden.embedding, { tolerance: 1e-5, name: "embedding" });
    });
    expect(liveTensors()).toBe(before);
  });

  it("stays close to itself in bfloat16", () => {
    const encoder = small();
    scope(() => {
      const images = fillInput(golden.input, golden.input_shape);
      const exact = encoder.forward(images);
      const rounded = encoder.setPrecision("bfloat16").forward(images);
      expect(rounded.dtype).toBe("float32");
      const off = rounded.sub(exact).abs().max().item();
      expect(off).toBeGreaterThan(0);
      expect(off / exact.abs().max().item()).toBeLessThan(0.03);
    });
  });
});

describe("MobileSAM", () => {
  it("has the published names, sizes and number of parameters, and an embedding of SAM's size", () => {
    const sam = createSam("mobile_sam");
    onTestFinished(() => sam.dispose());
    const shapes = Object.fromEntries([...sam.image_encoder.stateDict()].map(([key, { shape }]) => [key, shape]));
    expect(shapes).toMatchObject({
      "patch_embed.seq.0.c.weight": [32, 3, 3, 3],
      "patch_embed.seq.2.bn.running_var": [64],
      "layers.0.blocks.1.conv2.c.weight": [256, 1, 3, 3],
      "layers.0.downsample.conv3.bn.num_batches_tracked": [],
      "layers.1.blocks.0.attn.attention_biases": [4, 49],
      "layers.2.blocks.5.attn.qkv.weight": [480, 160],
      "layers.2.blocks.5.attn.attention_biases": [5, 196],
      "layers.2.downsample.conv2.c.weight": [320, 1, 3, 3],
      "layers.3.blocks.1.mlp.fc1.weight": [1280, 320],
      "layers.3.blocks.1.local_conv.c.weight": [320, 1, 3, 3],
      "norm_head.weight": [320],
      "head.weight": [1000, 320],
      "neck.2.weight": [256, 256, 3, 3],
    });
    expect(Object.keys(shapes).some((key) => key.startsWith("layers.3.downsample"))).toBe(false);
    expect(sam.parameters().reduce((sum, { numel }) => sum + numel, 0)).toBe(10_130_092);
    scope(() => expect(sam.image_encoder.forward(zeros([1, 3, 1024, 1024])).shape).toEqual([1, 256, 64, 64]));
  });
});

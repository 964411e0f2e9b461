import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { encodeTorchFile } from "../../../src/formats/torch-writer.ts";
import { loadSam, samVariantOf } from "../../../src/models/sam/load-sam.ts";
import { createSam } from "../../../src/models/sam/sam.ts";
import { noGrad, type Tensor, zeros } from "../../../src/torch/index.ts";
import type { StateDict } from "../../../src/torch/nn/index.ts";
import { storedFrom } from "../../helpers/stored.ts";

const folder = mkdtempSync(path.join(tmpdir(), "csrm-sam-"));
afterAll(() => rmSync(folder, { recursive: true }));

const sam = createSam("mobile_sam");
afterAll(() => sam.dispose());
noGrad(() => sam.prompt_encoder.no_mask_embed.weight.fill_(0.25));

/** Writes a .pth as the publishers do, under changed names or with other tensors. */
function file(name: string, change: (state: StateDict) => void = () => {}, prefix = ""): string {
  const state = new Map(sam.stateDict());
  change(state);
  const target = path.join(folder, name);
  writeFileSync(target, Buffer.concat(encodeTorchFile(storedFrom(state, (key) => [prefix + key]))));
  return target;
}

describe("loading weights of Segment Anything", () => {
  it("finds out which network a .pth is for and fills it", () => {
    const loaded = loadSam(file("plain.pth"));
    expect(loaded.variant).toBe("mobile_sam");
    expect(loaded.sam.prompt_encoder.no_mask_embed.weight.mean().item()).toBe(0.25);
    loaded.sam.dispose();
  });

  it("takes DataParallel's names too", () => {
    const loaded = loadSam(file("parallel.pth", undefined, "module."));
    expect(loaded.variant).toBe("mobile_sam");
    loaded.sam.dispose();
  });

  it("names the file and the keys when one is missing or unknown", () => {
    const path = file("cut.pth", (state) => {
      state.delete("mask_decoder.iou_token.weight");
      state.set("mask_decoder.hf_token.weight", zeros([1, 256]));
    });
    expect(() => loadSam(path)).toThrow(
      /cut\.pth.*1 key missing: mask_decoder\.iou_token\.weight; 1 key unexpected: mask_decoder\.hf_token\.weight/,
    );
  });

  it("refuses another variant than the one asked for, other networks and other kinds of SAM", () => {
    const plain = file("plain.pth");
    expect(() => loadSam(plain, { want: "sam_vit_h" })).toThrow(
      /expected weights of sam_vit_h for .*plain\.pth, got "mobile_sam"/,
    );
    const backbone = path.join(folder, "backbone.pth");
    const other = new Map<string, Tensor>([["layer1.0.conv1.weight", zeros([4, 4, 3, 3])]]);
    writeFileSync(backbone, Buffer.concat(encodeTorchFile(storedFrom(other, (key) => [key]))));
    expect(() => loadSam(backbone)).toThrow(
      /expected a Segment Anything network for .*backbone\.pth.*csrm weights fetch/,
    );
    const smaller = file("small.pth", (state) =>
      state.set("image_encoder.layers.1.blocks.0.attn.qkv.weight", zeros([576, 192])),
    );
    expect(() => loadSam(smaller)).toThrow(/small\.pth holds a Segment Anything network of another kind than/);
  });

  it("tells the published sizes by their shapes", () => {
    const shapes = (dim: number, depth: number) => {
      const found = new Map<string, { shape: number[] }>([["image_encoder.pos_embed", { shape: [1, 64, 64, dim] }]]);
      for (let i = 0; i < depth; i++) found.set(`image_encoder.blocks.${i}.norm1.weight`, { shape: [dim] });
      return found;
    };
    expect(samVariantOf(shapes(1024, 24))).toBe("sam_vit_l");
    expect(samVariantOf(shapes(1280, 32))).toBe("sam_vit_h");
    expect(samVariantOf(shapes(1280, 24))).toBeUndefined();
    expect(samVariantOf(sam.stateDict())).toBe("mobile_sam");
  });
});

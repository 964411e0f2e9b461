/** Pictures to load and to predict: photographs where CSRM_DATA has them, else scenes of the toy set. */
import { existsSync } from "node:fs";
import path from "node:path";
import { openDataset } from "../../src/data/dataset.ts";
import { generateToy } from "../../src/data/toy/index.ts";
import type { Dataset } from "../../src/data/types.ts";

/**
 * The first `count` pictures of voc12-mini's val list, about 500 × 375 pixels, or as many toy scenes of 400².
 * @param folder where scenes are drawn when there are no photographs
 */
export async function photographs(count: number, folder: string): Promise<{ dataset: Dataset; what: string }> {
  const root = process.env.CSRM_DATA ? path.join(process.env.CSRM_DATA, "voc12-mini") : null;
  if (root !== null && existsSync(root)) {
    const dataset = await openDataset({ layout: "voc", root, list: "val" });
    return { dataset: first(dataset, count), what: "photographs of VOC 2012" };
  }
  const out = path.join(folder, "toy");
  await generateToy({ out, images: { train: count, val: 0 }, size: 400 });
  const dataset = await openDataset({ layout: "toy", root: out, list: "train" });
  return { dataset: first(dataset, count), what: "toy scenes of 400² (CSRM_DATA has no voc12-mini)" };
}

function first(dataset: Dataset, count: number): Dataset {
  return { ...dataset, samples: dataset.samples.slice(0, count) };
}

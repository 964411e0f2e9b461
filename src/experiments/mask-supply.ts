/** Where the masks of a table's rows come from: made once for all seeds and rows, in EXP/masks, or given. */
import { existsSync } from "node:fs";
import path from "node:path";
import type { Dataset } from "../data/types.ts";
import { expected } from "../errors.ts";
import type { Runs } from "../formats/coco-runs.ts";
import { placeIn } from "../pipeline/evaluation-files.ts";
import type { Progress } from "../progress.ts";
import { type MaskSource, storedMasks } from "../refine/masks/mask-stage.ts";
import { writeRegions } from "../refine/masks/region-stage.ts";
import { DEFAULT_REGIONS } from "../refine/masks/regions.ts";
import { maskDefaults } from "../refine/sam/options.ts";
import { proposeMasks } from "../refine/sam/propose-stage.ts";
import type { MaskKind } from "./rows.ts";

export interface MaskSupply {
  kind: MaskKind;
  /** How the masks came about, for the line above the table. */
  told: string;
  /** The masks of a list's photographs, made where they are missing. */
  open(dataset: Dataset, list: string, progress: Progress): Promise<MaskSource<Runs[]>>;
}

/** Regions of even colour, with the defaults of csrm refine regions. @param out the experiment's folder */
export function regionSupply(out: string): MaskSupply {
  const folder = path.join(out, "masks", "regions");
  return {
    kind: "regions",
    told: `regions: segments of even colour at scales ${DEFAULT_REGIONS.scales.join(", ")}, no masks of Segment Anything`,
    open: onceAList(async ({ samples }, list, progress) => {
      await writeRegions({ samples, out: folder, settings: DEFAULT_REGIONS, progress, label: `regions ${list}` });
      // What they were made with, not where they lie, decides over the results.
      return { ...storedMasks(folder), settings: { ...DEFAULT_REGIONS } };
    }),
  };
}

export interface SamSupplyOptions {
  /** The experiment's folder. */
  out: string;
  /** Folder of masks. */
  masks: string;
  /** Weights of Segment Anything that make them where they are missing; null: they are all there. */
  weights: string | null;
  device: string;
  precision: "fp32" | "bf16";
}

/** @throws CsrmError when the masks' folder or the weights are not there: hours of training later is too late for a wrong name */
export function samSupply({ out, masks, weights, device, precision }: SamSupplyOptions): MaskSupply {
  const needed = weights ?? masks;
  if (!existsSync(needed)) {
    const [what, name] =
      weights === null ? ["a folder of masks", "--sam-masks"] : ["a file of weights", "--sam-weights"];
    throw expected(what, name, needed, "nothing is there");
  }
  return {
    kind: "sam",
    told: `SAM masks: ${path.basename(path.resolve(masks))}${weights === null ? "" : `, made by ${path.basename(weights)}`}`,
    open: onceAList(async ({ samples }, _, progress) => {
      if (weights !== null) {
        const how = { masks: maskDefaults, format: "json", strict: true } as const;
        await proposeMasks({ samples, weights, out: masks, device, precision, progress, ...how });
      }
      const source = storedMasks(masks);
      // Told from the experiment where they are inside of it, so that it may be moved.
      return { ...source, settings: { ...source.settings, masks: placeIn(path.resolve(out), path.resolve(masks)) } };
    }),
  };
}

/** Loading a network again for every row of the same list would take longer than the rows. */
function onceAList(open: MaskSupply["open"]): MaskSupply["open"] {
  const opened = new Map<string, Promise<MaskSource<Runs[]>>>();
  return (dataset, list, progress) => {
    const source = opened.get(list) ?? open(dataset, list, progress);
    opened.set(list, source);
    return source;
  };
}

/** Where the masks of a table's rows come from: made once for all seeds and rows, in EXP/masks, or given. */
import { type Dirent, readdirSync, statSync } from "node:fs";
import path from "node:path";
import type { Sample } from "../data/types.ts";
import { expected } from "../errors.ts";
import type { Runs } from "../formats/coco-runs.ts";
import { placeIn } from "../pipeline/evaluation-files.ts";
import type { Progress } from "../progress.ts";
import { type MaskSource, storedMasks } from "../refine/masks/mask-stage.ts";
import { writeRegions } from "../refine/masks/region-stage.ts";
import { DEFAULT_REGIONS, type RegionSettings } from "../refine/masks/regions.ts";
import { maskDefaults } from "../refine/sam/options.ts";
import { proposalSettings, proposeMasks } from "../refine/sam/propose-stage.ts";
import { assertStamped, isStamp, type Settings, stampOf } from "../stamped-folder.ts";
import { isExperiment } from "./experiment-folder.ts";
import type { MaskKind } from "./rows.ts";

export interface MaskSupply {
  kind: MaskKind;
  /** How the masks came about, for the line above the table. */
  told: string;
  /**
   * What decides over the masks, before they are there. Nothing is made.
   * @param data the photographs' data set
   * @throws CsrmError when masks of other settings, or of another data set, are there
   */
  settings(data: string): Promise<Settings>;
  /** The masks of photographs, made where they are missing. */
  open(photographs: Photographs, progress: Progress): Promise<MaskSource<Runs[]>>;
}

export interface Photographs {
  samples: readonly Sample[];
  /** The name of their list. */
  list: string;
  /** Their data set, as `settings` takes it. */
  data: string;
}

/** What helps when an experiment's folder was made in another way: to train everything again is never needed. */
export function otherWays(out: string): string {
  if (!isExperiment(out)) return "choose another --out";
  return `csrm experiment refinement --runs ${out} --out OTHER makes such a table of the same runs, without any training`;
}

/** What a table says of its regions. */
export function toldRegions({ scales, median }: RegionSettings): string {
  const how = `segments of even colour at scales ${scales.join(", ")} after a median of ${median} × ${median} pixels`;
  return `regions: ${how}, no masks of Segment Anything`;
}

/** Regions of even colour, with the defaults of csrm refine regions. @param out the experiment's folder */
export function regionSupply(out: string): MaskSupply {
  const folder = path.join(out, "masks", "regions");
  return {
    kind: "regions",
    told: toldRegions(DEFAULT_REGIONS),
    async settings(data) {
      assertStamped(folder, { data, ...DEFAULT_REGIONS }, otherWays(out));
      return { ...DEFAULT_REGIONS };
    },
    open: onceForAll(async ({ samples, list, data }, progress) => {
      const how = { settings: DEFAULT_REGIONS, advice: otherWays(out), label: `regions ${list}` };
      await writeRegions({ samples, out: folder, data, progress, ...how });
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

function isMasks(entry: Dirent): boolean {
  return entry.isDirectory() || (entry.name.endsWith(".json") && !isStamp(entry.name));
}

const OTHER_MASKS =
  "without --sam-weights these masks are taken as they are; --sam-masks names another folder for others";

/** @throws CsrmError when the masks' folder or the weights are not there: hours of training later is too late for a wrong name */
export function samSupply({ out, masks, weights, device, precision }: SamSupplyOptions): MaskSupply {
  const folder = statSync(masks, { throwIfNoEntry: false });
  if (folder ? !folder.isDirectory() : weights === null) {
    throw expected("a folder of masks", "--sam-masks", masks, folder ? "it is a file" : "nothing is there");
  }
  if (weights === null && !readdirSync(masks, { withFileTypes: true }).some(isMasks)) {
    throw expected("a folder of masks", "--sam-masks", masks, "it holds neither <id>.json nor a folder <id>");
  }
  if (weights !== null && !statSync(weights, { throwIfNoEntry: false })?.isFile()) {
    throw expected("a file of weights", "--sam-weights", weights, "there is no such file");
  }
  // Told from the experiment where they are inside of it, so that it may be moved.
  const place = placeIn(path.resolve(out), path.resolve(masks));
  const advice = place === path.resolve(masks) ? OTHER_MASKS : otherWays(out);
  const how = { masks: maskDefaults, format: "json", precision } as const;
  let made: Promise<Settings | null> | undefined;
  return {
    kind: "sam",
    told: `SAM masks: ${path.basename(path.resolve(masks))}${weights === null ? "" : `, made by ${path.basename(weights)}`}`,
    async settings() {
      // Read once: a file of weights may have gigabytes.
      made ??= weights === null ? Promise.resolve(stampOf(masks)) : proposalSettings({ weights, ...how });
      const stamp = await made;
      if (weights !== null) assertStamped(masks, stamp!, advice);
      return { masks: place, mask_settings: stamp };
    },
    open: onceForAll(async ({ samples }, progress) => {
      if (weights !== null) {
        await proposeMasks({ samples, weights, out: masks, device, progress, advice, strict: true, ...how });
      }
      const source = storedMasks(masks);
      return { ...source, settings: { ...source.settings, masks: place } };
    }),
  };
}

/** Loading a network again for every row of the same photographs would take longer than the rows. */
function onceForAll(open: MaskSupply["open"]): MaskSupply["open"] {
  const opened = new Map<string, Promise<MaskSource<Runs[]>>>();
  return (photographs, progress) => {
    const ids = photographs.samples.map(({ id }) => id).join("\n");
    const source = opened.get(ids) ?? open(photographs, progress);
    opened.set(ids, source);
    return source;
  };
}

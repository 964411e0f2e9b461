/** The dense CRF over a folder of finished label maps, one image after the other on all threads. */
import { naming } from "../errors.ts";
import type { Settings } from "../stamped-folder.ts";
import { assertCrfParams, crfParamsOf, scaleCrfParams } from "./crf-params.ts";
import { photographs, type RefineImages } from "./photographs.ts";
import { type FolderOptions, type RefineSummary, refineFolder } from "./refine-folder.ts";
import { type CrfSettings, refineLabels } from "./refine-labels.ts";

export interface RefineOptions extends FolderOptions {
  images: RefineImages;
  params: CrfSettings;
  /** What the progress calls it (default "dCRF"). */
  label?: string;
}

/** @throws CsrmError as `refineFolder`, naming the parameter that is out of range or the photograph that is missing or has another size */
export async function refineCrf({ images, params, label = "dCRF", ...folder }: RefineOptions): Promise<RefineSummary> {
  assertCrfParams(scaleCrfParams(crfParamsOf(params), params.crf_scale));
  const source = photographs(images);
  return refineFolder({
    ...folder,
    ...source,
    settings: settingsOf(params),
    label,
    refine: (labels, image, id) => naming(`image ${source.fileOf(id)}`, () => refineLabels(image, labels, params)),
  });
}

function settingsOf(params: CrfSettings): Settings {
  const { gt_prob, crf_scale, iterations, gaussian_sxy, gaussian_compat } = params;
  const { bilateral_sxy, bilateral_srgb, bilateral_compat } = params;
  const crf = { gt_prob, crf_scale, iterations, gaussian_sxy, gaussian_compat };
  return { ...crf, bilateral_sxy, bilateral_srgb, bilateral_compat };
}

/** The rows of the paper's Tables 1 and 2, as what is changed in a recipe and as what is looked at in a run. */
import { expected } from "../errors.ts";
import type { Recipe } from "../training/config.ts";

/** A row that is a training of its own. */
export interface TrainingRow {
  key: string;
  label: string;
  /** Keys of the recipe with their values in this row. */
  set: Readonly<Record<string, unknown>>;
}

/** The losses that Table 1 adds to L_c + L_s one after the other, with the recipe's section that weighs each. */
const ADDED = [
  { key: "s2c", label: "+ L_s2c", section: "s2c" },
  { key: "u", label: "+ L_u", section: "unsupervised" },
  { key: "m", label: "+ L_m", section: "contrast" },
] as const;

/** Table 1: every row has one loss more than the one before. */
export const ablationRows: readonly TrainingRow[] = [{ key: "s", label: "L_s" }, ...ADDED].map(
  ({ key, label }, index) => ({
    key,
    label,
    set: Object.fromEntries(ADDED.slice(index).map(({ section }) => [`${section}.weight`, 0])),
  }),
);

/** @throws CsrmError when a loss is off in the recipe itself, so that two rows would be the same */
export function assertLossesOn(recipe: Recipe, rows: readonly TrainingRow[]): void {
  for (const { key, label, section } of ADDED) {
    const { weight } = recipe[section];
    if (weight === 0 && rows.some((row) => row.key === key)) {
      throw expected(
        `a weight above 0, so that the row ${label} has that loss,`,
        `${section}.weight`,
        weight,
        `say --set ${section}.weight=1, or leave the row out (--rows)`,
      );
    }
  }
}

/** Table 2: which predictions of a seed are looked at. */
export interface MethodRow {
  label: string;
  /** Key of the method as evaluate/*.json has it. */
  method: string;
}

/** What label maps may be made to follow, with what a row's label says of it. Regions are no masks of objects, so they never share a name. */
export const MASK_KINDS = { regions: "regions", sam: "SAM masks" } as const;
export type MaskKind = keyof typeof MASK_KINDS;

/** The rows that every run has; the others refine the last four. */
const PLAIN_ROWS: readonly MethodRow[] = [
  { label: "start", method: "start" },
  { label: "CSRM, CAM", method: "csrm_cam" },
  { label: "CSRM", method: "csrm" },
  { label: "start + dCRF", method: "start_crf" },
  { label: "CSRM + dCRF", method: "csrm_crf" },
];

/** What is refined by masks: methods whose label maps a run has. */
export const REFINED = ["start", "csrm", "start_crf", "csrm_crf"] as const;

/** Rows with several refinements have them in the order of their names: the dense CRF first, the masks after it. */
export function refinementRows(kinds: readonly MaskKind[]): MethodRow[] {
  const labelOf = (key: string) => PLAIN_ROWS.find(({ method }) => method === key)!.label;
  const masked = kinds.flatMap((kind) =>
    REFINED.map((key) => ({ label: `${labelOf(key)} + ${MASK_KINDS[kind]}`, method: `${key}_${kind}` })),
  );
  return [...PLAIN_ROWS, ...masked];
}

/** The training behind Table 2: everything on, refined label maps included. */
export const refinementTraining: TrainingRow = { key: "csrm", label: "CSRM", set: { "predict.crf": true } };

/** @throws CsrmError for a key that no row has */
export function chosenRows(rows: readonly TrainingRow[], keys: readonly string[] | undefined): TrainingRow[] {
  const names = rows.map(({ key }) => key);
  const wrong = keys?.find((key) => !names.includes(key));
  if (wrong !== undefined) throw expected(`some of ${names.join(", ")}`, "--rows", wrong);
  return rows.filter(({ key }) => keys?.includes(key) ?? true);
}

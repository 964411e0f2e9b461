/** What `csrm weights inspect` tells of a file, as data and as text. */
import { elementsOf, type TensorFile } from "../formats/stored-tensor.ts";
import { insteadOfCheckpoint, type Purpose, purposesOf, trainingOf } from "../models/fit-weights.ts";
import { LAYOUTS, type Layout } from "../models/key-layouts.ts";
import { type ModelInfo, parseModelInfo } from "../models/model-file.ts";
import { remap } from "../models/remap.ts";
import type { SamVariant } from "../models/sam/config.ts";
import { publishedNames, samVariantOf } from "../models/sam/load-sam.ts";

export interface WeightsReport {
  file: string;
  format: TensorFile["format"];
  /** Part of a checkpoint that was looked at; "" for a bare state dict. */
  section: string;
  layout: Layout;
  backbone: string | null;
  /** Which network of Segment Anything it is, where it is one that csrm has. */
  sam: SamVariant | null;
  /** Foreground classes of the classifier, where there is one. */
  classes: number | null;
  /** Numbers that a network learns or keeps; tensors under two names count once, batch counters not at all. */
  parameters: number;
  dtypes: Record<string, number>;
  /** What it can start or be converted for. */
  starts: Purpose[];
  /** Those of them for which csrm takes the file as it is. */
  direct: Purpose[];
  /** The training of csrm that it is a checkpoint of. */
  checkpoint: "train" | "pretrain" | null;
  metadata: Record<string, string>;
  tensors: { name: string; place: string | null; known: boolean; dtype: string; shape: readonly number[] }[];
  others: Record<string, string>;
}

/** @throws CsrmError when two names of one parameter disagree */
export function weightsReport(file: TensorFile): WeightsReport {
  const remapped = remap(file);
  const scores = remapped.tensors.get("classifier.weight");
  const dtypes: Record<string, number> = {};
  for (const { dtype } of file.tensors.values()) dtypes[dtype] = (dtypes[dtype] ?? 0) + 1;
  const counted = [...remapped.tensors, ...remapped.classifier, ...remapped.unknown];
  const learnt = counted.filter(([key]) => !/running_(mean|var)$|num_batches_tracked$/.test(key));
  const starts = purposesOf(remapped);
  const info = parseModelInfo(file.metadata, file.name);
  return {
    file: file.name,
    format: file.format,
    section: file.section,
    layout: remapped.layout,
    backbone: remapped.backbone ?? null,
    sam: samVariantOf(publishedNames(file.tensors)) ?? null,
    classes: scores?.shape[0] ?? null,
    parameters: learnt.reduce((sum, [, tensor]) => sum + elementsOf(tensor), 0),
    dtypes,
    starts,
    direct: starts.filter((purpose) => takenAsIs(purpose, remapped.layout, info)),
    checkpoint: trainingOf(remapped),
    metadata: file.metadata,
    tensors: remapped.moves.map(({ from, to }) => {
      const { dtype, shape } = file.tensors.get(from)!;
      return { name: from, place: to ?? null, known: to !== undefined || remapped.layout === "sam", dtype, shape };
    }),
    others: Object.fromEntries(file.others),
  };
}

/** csrm train refuses a start with heads; csrm predict wants a file that says what it is. */
function takenAsIs(purpose: Purpose, layout: Layout, info: ModelInfo | null): boolean {
  if (purpose === "classifier") return layout !== "csrm" && layout !== "deeplabv3+";
  return purpose === "backbone" || info?.kind === "csrm";
}

const FORMATS: Record<TensorFile["format"], string> = {
  safetensors: "safetensors",
  "torch-zip": "PyTorch (zip)",
  "torch-legacy": "PyTorch (before 1.6)",
  npz: "NumPy archive",
};

const STARTS: Record<Purpose, { use: string; convert: string }> = {
  backbone: { use: "model.weights of a recipe", convert: "--for backbone" },
  classifier: { use: "--start of csrm train", convert: "--for classifier" },
  csrm: { use: "csrm predict", convert: "--for csrm --classes" },
};

function uses({ starts, direct, sam }: WeightsReport, info: ModelInfo | null): string {
  if (sam) return "csrm propose";
  const all = starts.map((purpose) => {
    const { use, convert } = STARTS[purpose];
    return direct.includes(purpose) ? use : `${use}, once converted with ${convert}`;
  });
  if (info?.kind === "classifier" && direct.includes("classifier")) all.push("csrm predict, by its activation maps");
  return all.join("; ") || "nothing that csrm starts from";
}

/** @param keys whether every tensor is listed */
export function weightsText(report: WeightsReport, keys: boolean): string {
  const { layout, backbone, classes, tensors, others, metadata } = report;
  const info = parseModelInfo(metadata, report.file);
  const unknown = tensors.filter(({ known }) => !known);
  const shown = keys ? tensors : unknown.slice(0, 20);
  const width = Math.max(0, ...shown.map(({ name }) => name.length));
  const rows: [string, string][] = [
    ["format", FORMATS[report.format] + (report.section === "" ? "" : `, section ${report.section}`)],
    ["layout", LAYOUTS[layout]],
    ["backbone", backbone ?? report.sam ?? "none that csrm has"],
    ...(classes === null
      ? []
      : [
          ["classes", String(classes) + (info ? `: ${info.classes.names.slice(1).join(", ")}` : "")] as [
            string,
            string,
          ],
        ]),
    [
      "tensors",
      `${tensors.length} (${Object.entries(report.dtypes)
        .map(([dtype, count]) => `${count} ${dtype}`)
        .join(", ")})`,
    ],
    ["parameters", report.parameters.toLocaleString("en-GB")],
    ["serves as", uses(report, info)],
    ...(report.checkpoint && !info ? [["note", insteadOfCheckpoint(report.checkpoint)] as [string, string]] : []),
    ...Object.entries(metadata)
      // The description is told in the other rows; a checkpoint's state is long and for going on with the training.
      .filter(([key]) => key !== "csrm_model" && key !== "csrm_checkpoint")
      .map(([key, text]): [string, string] => [`says: ${key}`, text]),
    ...Object.entries(others).map(([key, text]): [string, string] => [`beside: ${key}`, text]),
  ];
  const lines = rows.map(([name, text]) => `${name.padEnd(18)} ${text}`);
  if (unknown.length > 0 && !keys) lines.push("", `${unknown.length} names that no layout knows:`);
  else if (shown.length > 0) lines.push("");
  for (const { name, place, known, dtype, shape } of shown) {
    const target = !known ? "not known" : place === null ? "no place in CSRM" : place === name ? "" : `→ ${place}`;
    lines.push(`  ${name.padEnd(width)}  ${dtype} [${shape.join(", ")}]  ${target}`.trimEnd());
  }
  if (!keys && unknown.length > shown.length)
    lines.push(`  and ${unknown.length - shown.length} more (--keys lists all)`);
  return lines.join("\n");
}

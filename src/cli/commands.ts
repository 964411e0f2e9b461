/** Every command by name, in the order of --help. Each is one file under commands/ that exports `register(program)`. */
import type { Command } from "commander";

export interface CommandEntry {
  name: string;
  /** One line for --help. */
  summary: string;
  load: () => Promise<{ register: (program: Command) => void }>;
}

export const commands: readonly CommandEntry[] = [
  {
    name: "run",
    summary: "the whole pipeline: images and tags in, masks, figures and a report out",
    load: () => import("./commands/run.ts"),
  },
  {
    name: "pretrain",
    summary: "train the classifier that CSRM starts from: plain, Puzzle-CAM or P-NOC",
    load: () => import("./commands/pretrain.ts"),
  },
  {
    name: "train",
    summary: "train CSRM from a start classifier",
    load: () => import("./commands/train.ts"),
  },
  {
    name: "predict",
    summary: "label maps of photographs with a trained network",
    load: () => import("./commands/predict.ts"),
  },
  {
    name: "refine",
    summary: "refine label maps with a dense CRF",
    load: () => import("./commands/refine.ts"),
  },
  {
    name: "propose",
    summary: "masks of everything in photographs with Segment Anything",
    load: () => import("./commands/propose.ts"),
  },
  {
    name: "verify",
    summary: "train a segmentation network on a run's label maps, measure it, write a submission",
    load: () => import("./commands/verify.ts"),
  },
  {
    name: "evaluate",
    summary: "compare predictions with masks: mean IoU and more",
    load: () => import("./commands/evaluate.ts"),
  },
  {
    name: "export",
    summary: "label maps as COCO, labelme, overlays or renumbered PNG",
    load: () => import("./commands/export.ts"),
  },
  {
    name: "report",
    summary: "a page with tables, curves and pictures of a run",
    load: () => import("./commands/report.ts"),
  },
  {
    name: "experiment",
    summary: "tables and figures like the paper's, over several seeds: ablation, refinement and more",
    load: () => import("./commands/experiment.ts"),
  },
  {
    name: "data",
    summary: "make the toy data set, prepare VOC 2012 and COCO 2014, check data sets",
    load: () => import("./commands/data.ts"),
  },
  {
    name: "weights",
    summary: "look into weight files of any program, convert them, fetch published ones",
    load: () => import("./commands/weights.ts"),
  },
  {
    name: "doctor",
    summary: "what is installed, what is wrong and how to mend it",
    load: () => import("./commands/doctor.ts"),
  },
];

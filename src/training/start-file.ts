/** Takes a classifier's file, of ours or of another program, into a network whose training begins with it. */
import { expected } from "../errors.ts";
import type { Classifier } from "../models/classifier.ts";
import { loadStartClassifier } from "../models/load-weights.ts";
import { assertCompatible, type ModelInfo, modelInfoIfAny } from "../models/model-file.ts";
import type { Progress } from "../progress.ts";

export interface StartFile {
  file: string;
  /** What the network is that takes it. */
  info: ModelInfo;
  progress: Progress;
}

/** @throws CsrmError naming the file when it is missing, damaged, no classifier, or one of another architecture, normalisation or classes */
export function loadStartFile(model: Classifier, { file, info, progress }: StartFile): void {
  const given = modelInfoIfAny(file);
  if (given && given.kind !== "classifier") throw expected("a start classifier", file, `a ${given.kind} network`);
  if (given) assertCompatible(given, info, file);
  else progress.note(untold(file, info));
  loadStartClassifier(model, file);
}

/** What nobody can check of a start classifier that another program wrote: said aloud, since a wrong order of classes ruins a training. */
function untold(start: string, { classes, mean, std }: ModelInfo): string {
  return (
    `${start} does not say what its classes are or how its images were normalised; taken for granted: ` +
    `${classes.names.slice(1).join(", ")} in this order, mean ${mean.join(", ")}, std ${std.join(", ")}`
  );
}

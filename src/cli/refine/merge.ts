/** How masks and label maps are merged, as options of a command. */
import { type Command, Option } from "commander";
import { MERGE_RULES, type MergeOptions, type MergeRule } from "../../refine/masks/merge.ts";

export interface MergeFlags {
  rule: MergeRule;
}

/** Adds --rule. */
export function withMerge(command: Command): Command {
  return command.addOption(
    new Option(
      "--rule <rule>",
      "who gets a mask: best_fit the class that fits best, or one of the public SEPL code's rules",
    )
      .choices(MERGE_RULES)
      .default("best_fit"),
  );
}

export function mergeOptions({ rule }: MergeFlags): MergeOptions {
  return { rule };
}

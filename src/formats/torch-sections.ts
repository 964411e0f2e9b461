/** Finds the state dict in what torch.save wrote: the value itself, or one part of a checkpoint with counters and optimisers beside it. */

import { CsrmError, show } from "../errors.ts";
import type { TensorFile } from "./stored-tensor.ts";
import { Inert, TorchTensor } from "./torch-tensors.ts";

/** Names under which programs keep the network, best first. */
const USUAL = ["state_dict", "model_state_dict", "model_state", "model", "net", "network", "module"];
/** Optimisers and schedules hold tensors, but no network's. */
const NO_NETWORK = /optim|sched|scaler|amp|momentum/i;
const MAX_DEPTH = 4;

type Found = Pick<TensorFile, "tensors" | "section" | "others">;

/**
 * @param wanted the section to take, e.g. "ema.state_dict"; by default the only one, or the one with a usual name
 * @throws CsrmError (code "weights") when there is none, or several and none has a usual name
 */
export function stateDictIn(value: unknown, name: string, wanted?: string): Found {
  const sections = new Map<string, Map<unknown, unknown>>();
  collect(value, { path: "", sections, seen: new Set() });
  const section = wanted ?? choose([...sections.keys()], name);
  const found = sections.get(section);
  if (!found) {
    const list = [...sections.keys()].map((each) => each || "the file itself").join(", ") || "none";
    throw new CsrmError(`${name} has no section "${section}" with tensors; there are: ${list}`, { code: "weights" });
  }
  const tensors: TensorFile["tensors"] = new Map();
  const others: TensorFile["others"] = new Map();
  for (const [key, entry] of found) {
    if (entry instanceof TorchTensor) tensors.set(String(key), entry);
    else others.set(String(key), describe(entry));
  }
  if (section !== "" && value instanceof Map) {
    const top = section.split(".")[0];
    for (const [key, entry] of value) if (String(key) !== top) others.set(String(key), describe(entry));
  }
  return { tensors, section, others };
}

interface Search {
  path: string;
  sections: Map<string, Map<unknown, unknown>>;
  seen: Set<unknown>;
}

function collect(value: unknown, { path, sections, seen }: Search): void {
  // A pickle may contain itself.
  if (!(value instanceof Map) || seen.has(value)) return;
  seen.add(value);
  const named = [...value].filter((entry): entry is [string, unknown] => typeof entry[0] === "string");
  if (named.some(([, entry]) => entry instanceof TorchTensor)) sections.set(path, value);
  if (path.split(".").length >= MAX_DEPTH) return;
  for (const [key, entry] of named) collect(entry, { path: path === "" ? key : `${path}.${key}`, sections, seen });
}

function choose(sections: string[], name: string): string {
  if (sections.length === 0) {
    throw new CsrmError(`${name} holds no tensors by name; expected a state dict or a checkpoint with one`, {
      code: "weights",
    });
  }
  if (sections.includes("")) return "";
  const networks = sections.filter((section) => !NO_NETWORK.test(section));
  const candidates = networks.length > 0 ? networks : sections;
  if (candidates.length === 1) return candidates[0]!;
  for (const usual of USUAL) {
    const match = candidates.filter((section) => section === usual || section.endsWith(`.${usual}`));
    if (match.length === 1) return match[0]!;
  }
  throw new CsrmError(
    `${name} holds several sets of tensors: ${candidates.join(", ")}; say which with --section, or save only one`,
    { code: "weights" },
  );
}

function describe(value: unknown): string {
  if (value instanceof TorchTensor) return `a tensor [${value.shape}]`;
  if (value instanceof Map) return `${value.size} ${value.size === 1 ? "entry" : "entries"}`;
  if (value instanceof Set || Array.isArray(value)) {
    return `a list of ${value instanceof Set ? value.size : value.length}`;
  }
  if (value instanceof Inert) return "options of a program";
  if (value === null || ["string", "number", "boolean"].includes(typeof value)) return show(value);
  return typeof value === "bigint" ? String(value) : "an object";
}

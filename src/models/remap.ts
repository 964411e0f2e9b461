/** A file of tensors under the names of a CSRM network, and what became of every name. */
import { CsrmError } from "../errors.ts";
import type { StoredTensor, TensorFile } from "../formats/stored-tensor.ts";
import { backboneOf, type Layout, layoutOf, placeOf } from "./key-layouts.ts";

export interface Remapped {
  layout: Layout;
  /** The registry's name of the backbone; undefined when it is none of them. */
  backbone: string | undefined;
  /** By the names of a CSRM network. */
  tensors: Map<string, StoredTensor>;
  /** ImageNet classifiers, by their names without wrappers: they belong to backbones alone. */
  classifier: Map<string, StoredTensor>;
  /** Names that no layout knows. */
  unknown: Map<string, StoredTensor>;
  /** Every name of the file and its new one; null: none in a CSRM network; undefined: not known. */
  moves: { from: string; to: string | null | undefined }[];
}

type Source = Pick<TensorFile, "name" | "tensors">;

/**
 * Finds every tensor's place. Two names of one place (Puzzle-CAM has everything twice) must hold the same numbers.
 * @throws CsrmError (code "weights") when they do not
 */
export function remap({ name, tensors }: Source): Remapped {
  const entries = networkOf(tensors);
  const moves: Remapped["moves"] = [];
  const placed = new Map<string, { from: string; tensor: StoredTensor }>();
  const classifier = new Map<string, StoredTensor>();
  const unknown = new Map<string, StoredTensor>();
  for (const [from, key, tensor] of entries) {
    const place = placeOf(key);
    moves.push({ from, to: place?.target });
    if (!place) unknown.set(key, tensor);
    else if (place.target === null) classifier.set(place.bare, tensor);
    else {
      const before = placed.get(place.target);
      if (before) assertSame({ from, tensor }, before, name);
      else placed.set(place.target, { from, tensor });
    }
  }
  return {
    layout: layoutOf(entries.map(([, key]) => key)),
    backbone: backboneOf(placed.keys()),
    tensors: new Map([...placed].map(([target, { tensor }]) => [target, tensor])),
    classifier,
    unknown,
    moves,
  };
}

/** Of a training checkpoint of ours (teacher/…, student/…, optimizer/…) the teacher, else the only network. */
function networkOf(tensors: ReadonlyMap<string, StoredTensor>): [from: string, key: string, tensor: StoredTensor][] {
  const all = [...tensors];
  for (const group of ["teacher/", "model/"]) {
    const inside = all.filter(([key]) => key.startsWith(group));
    if (inside.length > 0) return inside.map(([key, tensor]) => [key, key.slice(group.length), tensor]);
  }
  return all.map(([key, tensor]) => [key, key, tensor]);
}

interface Named {
  from: string;
  tensor: StoredTensor;
}

function assertSame(a: Named, b: Named, name: string): void {
  if (a.tensor.place === b.tensor.place) return;
  const like = a.tensor.dtype === b.tensor.dtype && a.tensor.shape.join() === b.tensor.shape.join();
  if (like && Buffer.compare(a.tensor.read(), b.tensor.read()) === 0) return;
  throw new CsrmError(`${name}: ${b.from} and ${a.from} have the same place in the network but not the same numbers`, {
    code: "weights",
  });
}

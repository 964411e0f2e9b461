/** Tensors as files hold them, made of networks or of nothing but shapes. */
import type { StoredTensor, TensorFile } from "../../src/formats/stored-tensor.ts";
import type { StateDict } from "../../src/torch/nn/index.ts";

/** The bytes of tensors, under the names that `rename` gives; several names share a place. */
export function storedFrom(
  state: StateDict,
  rename: (key: string) => string[] = (key) => [key],
): Map<string, StoredTensor> {
  const stored = new Map<string, StoredTensor>();
  for (const [key, tensor] of state) {
    const array = tensor.toTypedArray();
    const bytes = new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);
    const { dtype, shape } = tensor;
    for (const name of rename(key)) stored.set(name, { dtype, shape, place: key, read: () => new Uint8Array(bytes) });
  }
  return stored;
}

/** A file of these tensors. */
export function fileOf(tensors: Map<string, StoredTensor>, metadata: Record<string, string> = {}): TensorFile {
  return { name: "file.pth", format: "torch-zip", section: "", others: new Map(), metadata, tensors };
}

/** The names that the original Puzzle-CAM gives to a parameter of a classifier. */
export function puzzleNames(key: string): string[] {
  if (!key.startsWith("backbone.")) return [key];
  const bare = key.slice("backbone.".length);
  return [`model.${bare}`, stageName(bare)];
}

/** The names of P-NOC in 2023. */
export function stageNames(key: string): string[] {
  return key.startsWith("backbone.") ? [stageName(key.slice("backbone.".length))] : [key];
}

function stageName(bare: string): string {
  return bare
    .replace(/^conv1\./, "stage1.0.")
    .replace(/^bn1\./, "stage1.1.")
    .replace(/^layer(\d)\./, (_, stage: string) => `stage${Number(stage) + 1}.0.`);
}

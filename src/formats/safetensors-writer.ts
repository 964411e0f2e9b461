/** Writes stored tensors as a safetensors file without making tensors of them. */

import { encodeSafetensorsHeader } from "./safetensors.ts";
import type { StoredTensor } from "./stored-tensor.ts";
import { SAFETENSORS_DTYPES } from "./tensor-file.ts";

/** The file in pieces that follow each other. @throws CsrmError when a tensor's file is damaged */
export function encodeSafetensorsFile(
  tensors: ReadonlyMap<string, Pick<StoredTensor, "dtype" | "shape" | "read">>,
  metadata: Record<string, string> = {},
): Uint8Array[] {
  const specs = [...tensors].map(([name, { dtype, shape }]) => ({ name, dtype: SAFETENSORS_DTYPES[dtype], shape }));
  const { header, entries } = encodeSafetensorsHeader(specs, metadata);
  return [header, ...entries.map(({ name }) => tensors.get(name)!.read())];
}

/** The .npz archive of NumPy: several named arrays in one zip file, e.g. a class activation map {keys, cam}. */

import { readNpy, writeNpy } from "./npy.ts";
import type { NumpyArray, NumpyData } from "./numpy-array.ts";
import { readZip, writeZip } from "./zip.ts";

/** All arrays of an archive by name. @param file its name, for messages. @throws CsrmError (code "data") */
export function readNpz(bytes: Uint8Array, file: string): Map<string, NumpyArray> {
  const arrays = new Map<string, NumpyArray>();
  for (const member of readZip(bytes, file).values()) {
    if (member.name.endsWith(".npy")) {
      arrays.set(member.name.slice(0, -4), readNpy(member.read(), `${file}: ${member.name}`));
    }
  }
  return arrays;
}

/**
 * Arrays as .npz bytes that `numpy.load` reads. Equal input makes equal bytes.
 * @param level 0 stores (as numpy.savez), 1..9 deflates (as numpy.savez_compressed)
 */
export function writeNpz(
  arrays: Readonly<Record<string, { data: NumpyData; shape: readonly number[] }>>,
  level = 0,
): Uint8Array {
  const members = Object.entries(arrays).map(([name, { data, shape }]) => ({
    name: `${name}.npy`,
    data: writeNpy(data, shape),
  }));
  return writeZip(members, level);
}

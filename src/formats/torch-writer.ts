/** Writes a state dict as the zip archive of torch.save, which torch.load reads also with weights_only=True. */

import { CsrmError } from "../errors.ts";
import { byteLength, elementsOf, type StoredDtype, type StoredTensor } from "./stored-tensor.ts";
import { rowMajorStrides } from "./strided.ts";
import { zipPieces } from "./zip.ts";

const STORAGE_OF: Record<StoredDtype, string> = {
  float64: "DoubleStorage",
  float32: "FloatStorage",
  float16: "HalfStorage",
  bfloat16: "BFloat16Storage",
  int64: "LongStorage",
  int32: "IntStorage",
  int16: "ShortStorage",
  int8: "CharStorage",
  uint8: "ByteStorage",
  bool: "BoolStorage",
};

/**
 * The file in pieces that follow each other. Every tensor gets a storage of its own, row-major, on the CPU.
 * @throws CsrmError when a tensor's bytes do not fit its shape, or its file is damaged
 */
export function encodeTorchFile(
  tensors: ReadonlyMap<string, Pick<StoredTensor, "dtype" | "shape" | "read">>,
): Uint8Array[] {
  const storages = [...tensors].map(([name, tensor], key) => {
    const data = tensor.read();
    if (data.length !== byteLength(tensor)) {
      throw new CsrmError(`the tensor "${name}" has ${data.length} bytes where ${byteLength(tensor)} belong`);
    }
    return { name: `archive/data/${key}`, data };
  });
  return zipPieces([
    { name: "archive/data.pkl", data: pickleOf(tensors) },
    { name: "archive/byteorder", data: Buffer.from("little") },
    ...storages,
    { name: "archive/version", data: Buffer.from("3\n") },
  ]);
}

/** Protocol 2: an OrderedDict of names to calls of _rebuild_tensor_v2 on storages, which stand in as persistent ids. */
function pickleOf(tensors: ReadonlyMap<string, Pick<StoredTensor, "dtype" | "shape">>): Uint8Array {
  const parts: Uint8Array[] = [latin("\x80\x02ccollections\nOrderedDict\n)R(")];
  let key = 0;
  for (const [name, tensor] of tensors) {
    parts.push(
      text(name),
      latin("ctorch._utils\n_rebuild_tensor_v2\n(("),
      text("storage"),
      latin(`ctorch\n${STORAGE_OF[tensor.dtype]}\n`),
      text(String(key++)),
      text("cpu"),
      integer(elementsOf(tensor)),
      latin("tQK\x00"), // the storage, and where in it the tensor begins
      tuple(tensor.shape),
      tuple(rowMajorStrides(tensor.shape)),
      latin("\x89ccollections\nOrderedDict\n)RtR"), // needs no gradient, has no hooks
    );
  }
  parts.push(latin("u."));
  return Buffer.concat(parts);
}

function latin(instructions: string): Uint8Array {
  return Buffer.from(instructions, "latin1");
}

function text(value: string): Uint8Array {
  const bytes = Buffer.from(value, "utf8");
  const head = Buffer.alloc(5);
  head.write("X");
  head.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function tuple(values: readonly number[]): Uint8Array {
  return Buffer.concat([latin("("), ...values.map(integer), latin("t")]);
}

/** A whole number from 0, in the shortest of BININT1, BININT and LONG1. */
function integer(value: number): Uint8Array {
  if (value < 256) return Uint8Array.of(0x4b, value);
  const bytes = Buffer.alloc(value < 2 ** 31 ? 5 : 10);
  if (value < 2 ** 31) {
    bytes.write("J");
    bytes.writeInt32LE(value, 1);
  } else {
    bytes.set([0x8a, 8]);
    bytes.writeBigInt64LE(BigInt(value), 2);
  }
  return bytes;
}

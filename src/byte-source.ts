/** Bytes at positions: a file read piece by piece, or memory. For readers of files that may be larger than what should be held at once. */
import fs from "node:fs";
import { CsrmError } from "./errors.ts";
import { readError } from "./files.ts";

export interface ByteSource {
  /** The file's name, for messages. */
  readonly name: string;
  readonly size: number;
  /** The bytes from `begin` to before `end`; of memory a view, not a copy. @throws CsrmError (code "data") beyond the end */
  read(begin: number, end: number): Uint8Array;
}

/** Bytes that are in memory already. */
export function memoryBytes(bytes: Uint8Array, name: string): ByteSource {
  return {
    name,
    size: bytes.length,
    read(begin, end) {
      assertInside(begin, end, { name, size: bytes.length });
      return bytes.subarray(begin, end);
    },
  };
}

/** A file, open until disposed. @throws CsrmError (code "file") naming it when it is missing or unreadable */
export function openBytes(path: string): ByteSource & Disposable {
  const descriptor = withReason(path, () => fs.openSync(path, "r"));
  const { size } = fs.fstatSync(descriptor);
  return {
    name: path,
    size,
    read(begin, end) {
      assertInside(begin, end, { name: path, size });
      const bytes = new Uint8Array(end - begin);
      for (let done = 0; done < bytes.length; ) {
        const length = Math.min(bytes.length - done, MAX_READ);
        const count = withReason(path, () => fs.readSync(descriptor, bytes, done, length, begin + done));
        if (count === 0) {
          throw new CsrmError(`cannot read ${path}: it ended ${bytes.length - done} bytes early`, { code: "file" });
        }
        done += count;
      }
      return bytes;
    },
    [Symbol.dispose]: () => fs.closeSync(descriptor),
  };
}

// Node refuses lengths above 2^31 − 1.
const MAX_READ = 2 ** 30;

function assertInside(begin: number, end: number, { name, size }: { name: string; size: number }): void {
  if (begin >= 0 && begin <= end && end <= size) return;
  throw new CsrmError(`cannot read ${name}: it is cut off (it has ${size} bytes, and byte ${end} was asked for)`, {
    code: "data",
  });
}

function withReason<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw readError(path, error);
  }
}

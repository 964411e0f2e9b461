/** Tar archives (POSIX ustar) of plain files: written only, with the same bytes for the same files. */
import { expected } from "../errors.ts";

export interface TarEntry {
  /** Path in the archive, with "/"; at most 100 bytes, or 255 where a "/" can part it. */
  name: string;
  data: Uint8Array;
}

const BLOCK = 512;
const encoder = new TextEncoder();

/**
 * An archive in pieces, to be written one after the other. Files are readable by all, owned by nobody and without a time, so that an
 * archive depends on its files alone.
 * @throws CsrmError for a path that the format cannot hold
 */
export function tarPieces(entries: readonly TarEntry[]): Uint8Array[] {
  const pieces = entries.flatMap(({ name, data }) => [
    header(name, data.length),
    data,
    new Uint8Array((BLOCK - (data.length % BLOCK)) % BLOCK),
  ]);
  // Two empty blocks say that nothing follows.
  return [...pieces, new Uint8Array(2 * BLOCK)];
}

function header(path: string, size: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const { prefix, name } = parted(path);
  const put = (text: string | Uint8Array, at: number) =>
    block.set(typeof text === "string" ? encoder.encode(text) : text, at);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  put(name, 0);
  put(octal(0o644, 7), 100); // mode; owner, group and time follow
  put(octal(0, 7), 108);
  put(octal(0, 7), 116);
  put(octal(size, 11), 124);
  put(octal(0, 11), 136);
  put("        ", 148); // the checksum counts as spaces in itself
  put("0", 156); // a plain file
  put("ustar\0" + "00", 257);
  put(prefix, 345);
  put(
    `${octal(
      block.reduce((sum, byte) => sum + byte, 0),
      6,
    )}\0 `,
    148,
  );
  return block;
}

/** A path of more than 100 bytes is parted at a "/". */
function parted(path: string): { prefix: Uint8Array; name: Uint8Array } {
  const bytes = encoder.encode(path);
  if (bytes.length > 0 && bytes.length <= 100) return { prefix: new Uint8Array(), name: bytes };
  for (let at = Math.max(0, bytes.length - 101); at < Math.min(156, bytes.length - 1); at++) {
    if (bytes[at] === 0x2f) return { prefix: bytes.subarray(0, at), name: bytes.subarray(at + 1) };
  }
  throw expected("a path of 1 to 255 bytes that a / parts into at most 155 and 100", "a file in a tar archive", path);
}

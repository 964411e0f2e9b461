/** A small zip archive codec: stored and deflated members, zip64 sizes, every checksum verified. */

import { crc32, deflateRawSync, inflateRawSync } from "node:zlib";
import { type ByteSource, memoryBytes } from "../byte-source.ts";
import { CsrmError, messageOf } from "../errors.ts";

/** One member of an archive; its bytes are unpacked and checked only when asked for. */
export interface ZipMember {
  name: string;
  size: number;
  /** @throws CsrmError (code "data") when the member is damaged */
  read(): Uint8Array;
}

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const MAX32 = 0xffffffff;
const UTF8_FLAG = 0x0800;

/**
 * The members of a zip archive by name, in the order of its directory; folder entries are left out.
 * @param file the archive's name, for messages
 * @throws CsrmError (code "data") on truncated, inconsistent, encrypted or unsupported archives
 */
export function readZip(bytes: Uint8Array, file: string): Map<string, ZipMember> {
  return openZip(memoryBytes(bytes, file));
}

/** The same for a file that is not in memory: only the directory is read here, a member when asked for. */
export function openZip(source: ByteSource): Map<string, ZipMember> {
  const file = source.name;
  try {
    const { directory, count } = findDirectory(source);
    const view = viewOf(directory);
    const members = new Map<string, ZipMember>();
    let at = 0;
    for (let i = 0; i < count; i++) {
      if (view.getUint32(at, true) !== CENTRAL) throw damaged(file, "its directory is broken");
      const nameLength = view.getUint16(at + 28, true);
      const extraLength = view.getUint16(at + 30, true);
      const name = Buffer.from(directory.subarray(at + 46, at + 46 + nameLength)).toString("utf8");
      if (members.has(name)) throw damaged(file, `it holds "${name}" twice`);
      const record = readRecord(view, { at, extraAt: at + 46 + nameLength, extraLength });
      if (!name.endsWith("/")) {
        members.set(name, { name, size: record.size, read: () => readMember(source, record, `${file}: ${name}`) });
      }
      at += 46 + nameLength + extraLength + view.getUint16(at + 32, true);
    }
    return members;
  } catch (error) {
    if (error instanceof RangeError) throw damaged(file, "it is cut off");
    throw error;
  }
}

/**
 * Packs members into an archive with fixed time stamps, so that equal members make equal bytes.
 * @param level 0 stores; 1..9 deflates
 */
export function writeZip(members: readonly { name: string; data: Uint8Array }[], level = 0): Uint8Array {
  return Buffer.concat(zipPieces(members, level));
}

/** The same in pieces, one after the other: spares joining large members. */
export function zipPieces(members: readonly { name: string; data: Uint8Array }[], level = 0): Uint8Array[] {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const { name, data } of members) {
    const encoded = Buffer.from(name, "utf8");
    const packed = level === 0 ? data : deflateRawSync(data, { level });
    if (data.length >= MAX32 || offset + packed.length >= MAX32) {
      throw new CsrmError(`the archive member "${name}" passes the 4 GiB that an archive may hold`, { code: "data" });
    }
    // The fields that both headers share: version, flags, method, time, date (1980-01-01), checksum, sizes, name, extra.
    const common = new Uint8Array(26);
    const view = new DataView(common.buffer);
    view.setUint16(0, 20, true);
    view.setUint16(2, UTF8_FLAG, true);
    view.setUint16(4, level === 0 ? 0 : 8, true);
    view.setUint16(8, 0x21, true);
    view.setUint32(10, crc32(data), true);
    view.setUint32(14, packed.length, true);
    view.setUint32(18, data.length, true);
    view.setUint16(22, encoded.length, true);
    parts.push(words32(LOCAL), common, encoded, packed);
    const position = new Uint8Array(14);
    new DataView(position.buffer).setUint32(10, offset, true);
    directory.push(words32(CENTRAL), Uint8Array.of(20, 0), common, position, encoded);
    offset += 30 + encoded.length + packed.length;
  }
  const directorySize = directory.reduce((sum, part) => sum + part.length, 0);
  const end = new Uint8Array(22);
  const view = new DataView(end.buffer);
  view.setUint32(0, END, true);
  view.setUint16(8, members.length, true);
  view.setUint16(10, members.length, true);
  view.setUint32(12, directorySize, true);
  view.setUint32(16, offset, true);
  return [...parts, ...directory, end];
}

interface ZipRecord {
  flags: number;
  method: number;
  crc: number;
  packedSize: number;
  size: number;
  offset: number;
}

function findDirectory(source: ByteSource): { directory: Uint8Array; count: number } {
  const file = source.name;
  // The end record is followed only by a comment of at most 65,535 bytes, and preceded by the locator of a zip64 record.
  const tailAt = Math.max(0, source.size - 22 - 0xffff - 20);
  const view = viewOf(source.read(tailAt, source.size));
  let end = view.byteLength - 22;
  while (end >= 0 && view.getUint32(end, true) !== END) end--;
  if (end < 0) throw damaged(file, "it has no zip directory; it is cut off or not a zip archive");
  let count = view.getUint16(end + 10, true);
  let offset = view.getUint32(end + 16, true);
  const wide = count === 0xffff || offset === MAX32;
  if (wide && end >= 20 && view.getUint32(end - 20, true) === LOCATOR64) {
    const end64 = Number(view.getBigUint64(end - 12, true));
    const record = viewOf(source.read(end64, end64 + 56));
    if (record.getUint32(0, true) !== END64) throw damaged(file, "its zip64 directory is broken");
    count = Number(record.getBigUint64(32, true));
    offset = Number(record.getBigUint64(48, true));
  }
  if (offset > tailAt + end) throw damaged(file, "its directory is broken");
  return { directory: source.read(offset, tailAt + end), count };
}

function readRecord(view: DataView, where: { at: number; extraAt: number; extraLength: number }): ZipRecord {
  const { at, extraAt, extraLength } = where;
  const record: ZipRecord = {
    flags: view.getUint16(at + 8, true),
    method: view.getUint16(at + 10, true),
    crc: view.getUint32(at + 16, true),
    packedSize: view.getUint32(at + 20, true),
    size: view.getUint32(at + 24, true),
    offset: view.getUint32(at + 42, true),
  };
  // A zip64 extra field holds, in this order, those of the three numbers that did not fit into 32 bits.
  for (let extra = extraAt; extra + 4 <= extraAt + extraLength; extra += 4 + view.getUint16(extra + 2, true)) {
    if (view.getUint16(extra, true) !== 1) continue;
    let next = extra + 4;
    for (const key of ["size", "packedSize", "offset"] as const) {
      if (record[key] !== MAX32) continue;
      record[key] = Number(view.getBigUint64(next, true));
      next += 8;
    }
  }
  return record;
}

function readMember(source: ByteSource, record: ZipRecord, name: string): Uint8Array {
  const { offset, packedSize, size } = record;
  if (record.flags & 1) throw damaged(name, "it is encrypted");
  if (offset + 30 > source.size) throw damaged(name, "its header is missing");
  const view = viewOf(source.read(offset, offset + 30));
  if (view.getUint32(0, true) !== LOCAL) throw damaged(name, "its header is missing");
  const start = offset + 30 + view.getUint16(26, true) + view.getUint16(28, true);
  if (start + packedSize > source.size) throw damaged(name, "it is cut off");
  const packed = source.read(start, start + packedSize);
  const data = unpack(packed, record, name);
  if (data.length !== size) throw damaged(name, `it unpacks to ${data.length} bytes where ${size} belong`);
  if (crc32(data) !== record.crc) throw damaged(name, "its checksum is wrong");
  return data;
}

function unpack(packed: Uint8Array, record: ZipRecord, name: string): Uint8Array {
  if (record.method === 0) return packed;
  if (record.method !== 8) throw damaged(name, `its compression method ${record.method} is not supported`);
  // Deflate packs 1,032 bytes into one at best: more was promised only to make readers reserve memory.
  if (record.size > 1032 * packed.length + 64) throw damaged(name, `its size of ${record.size} bytes is impossible`);
  try {
    return inflateRawSync(packed, { maxOutputLength: record.size + 1 });
  } catch (error) {
    throw damaged(name, `it cannot be unpacked (${messageOf(error)})`);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function words32(word: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, word, true);
  return out;
}

function damaged(name: string, why: string): CsrmError {
  return new CsrmError(`cannot read ${name}: ${why}`, { code: "data" });
}

/** PyTorch's two containers, the zip archive and the older sequence of pickles: where the pickle and its storages lie. */

import type { ByteSource } from "../byte-source.ts";
import { CsrmError } from "../errors.ts";
import { unpickle, unpickleFirst } from "./pickle.ts";
import { ITEM_BYTES } from "./stored-tensor.ts";
import { MAX_PICKLE, type Storage, torchUnpickling } from "./torch-tensors.ts";
import type { ZipMember } from "./zip.ts";

/** Where an archive's pickle lies, e.g. "archive/data.pkl"; undefined when it is no PyTorch archive. */
export function torchPickleIn(members: ReadonlyMap<string, ZipMember>): string | undefined {
  return [...members.keys()].find((name) => /^([^/]+\/)?data\.pkl$/.test(name));
}

/**
 * What torch.save put into a zip archive, tensors as TorchTensor.
 * @throws CsrmError (code "data") on damage, on programs (TorchScript) and on objects that are not plain data
 */
export function readTorchZip(source: ByteSource, members: ReadonlyMap<string, ZipMember>): unknown {
  const { name } = source;
  const pickle = torchPickleIn(members)!;
  const root = pickle.slice(0, -"data.pkl".length);
  if (members.has(`${root}constants.pkl`)) {
    throw damaged(name, "it is a TorchScript program; save network.state_dict() with torch.save instead");
  }
  if (members.get(pickle)!.size > MAX_PICKLE) throw damaged(name, `its pickle is over ${MAX_PICKLE} bytes`);
  const unpacked = [...members.values()].reduce((sum, member) => sum + member.size, 0);
  if (unpacked > 20 * source.size + MAX_PICKLE) throw damaged(name, `it unpacks to ${unpacked} bytes`);
  const order = members.get(`${root}byteorder`);
  const memberOf = ({ key }: Storage) => members.get(`${root}data/${key}`);
  const options = torchUnpickling(name, {
    fileSize: source.size,
    littleEndian: order === undefined || byteOrder(order, name) === "little",
    check(storage) {
      const member = memberOf(storage);
      if (!member) throw new Error(`storage "${storage.key}" is missing`);
      checkSize(storage, member.size);
    },
    read: (storage) => memberOf(storage)!.read(),
  });
  return unpickle(members.get(pickle)!.read(), options);
}

/** The first value in files of torch.save before 1.6 (or with _use_new_zipfile_serialization=False). */
const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;

/**
 * The same for the older format: pickles of magic number, protocol, platform, object, storage keys; then for every key the
 * number of its elements (64 bits) and their bytes.
 * @throws CsrmError (code "data")
 */
export function readTorchLegacy(source: ByteSource): unknown {
  const { name } = source;
  const head = source.read(0, Math.min(source.size, MAX_PICKLE));
  let at = 0;
  const next = (options = torchUnpickling(name, nothing)) => {
    const { value, end } = unpickleFirst(head.subarray(at), options);
    at += end;
    return value;
  };
  if (next() !== MAGIC) throw damaged(name, "it is a pickle, but not one of torch.save");
  const protocol = next();
  if (protocol !== PROTOCOL) throw damaged(name, `its protocol ${String(protocol)} is not ${PROTOCOL}`);
  const platform = next();
  if (!(platform instanceof Map)) throw damaged(name, "it does not describe its platform");
  const littleEndian = platform.get("little_endian") !== false;
  const places = new Map<string, number>();
  const wanted = new Map<string, Storage>();
  const value = next(
    torchUnpickling(name, {
      fileSize: source.size,
      littleEndian,
      check(storage) {
        // Their places are only known behind the pickle.
        if (storage.elements * ITEM_BYTES[storage.dtype] > source.size) throw new Error("a storage passes the file");
        wanted.set(storage.key, storage);
      },
      read(storage) {
        const begin = places.get(storage.key)!;
        return source.read(begin, begin + storage.elements * ITEM_BYTES[storage.dtype]);
      },
    }),
  );
  const keys = next();
  if (!Array.isArray(keys)) throw damaged(name, "it does not list its storages");
  for (const key of keys) {
    const storage = wanted.get(key as string);
    if (!storage || places.has(storage.key)) throw damaged(name, `its storage "${String(key)}" is not described once`);
    const prefix = source.read(at, at + 8);
    const view = new DataView(prefix.buffer, prefix.byteOffset, 8);
    const elements = Number(view.getBigInt64(0, littleEndian));
    if (elements !== storage.elements) {
      throw damaged(name, `storage "${storage.key}" has ${elements} elements where ${storage.elements} belong`);
    }
    places.set(storage.key, at + 8);
    at += 8 + elements * ITEM_BYTES[storage.dtype];
    if (at > source.size) throw damaged(name, `it is cut off within storage "${storage.key}"`);
  }
  const missing = [...wanted.keys()].find((key) => !places.has(key));
  if (missing !== undefined) throw damaged(name, `storage "${missing}" is missing`);
  return value;
}

const nothing = {
  fileSize: 0,
  littleEndian: true,
  check() {
    throw new Error("a tensor stands where none belongs");
  },
  read: () => new Uint8Array(0),
};

function byteOrder(member: ZipMember, name: string): string {
  const text = member.size > 16 ? "" : Buffer.from(member.read()).toString("latin1").trim();
  if (text !== "little" && text !== "big") throw damaged(name, "its byte order is neither little nor big");
  return text;
}

function checkSize({ key, dtype, elements }: Storage, size: number): void {
  const needed = elements * ITEM_BYTES[dtype];
  if (size !== needed) {
    throw new Error(`storage "${key}" has ${size} bytes where ${elements} of ${dtype} need ${needed}`);
  }
}

function damaged(name: string, why: string): CsrmError {
  return new CsrmError(`cannot read ${name} as a PyTorch file: ${why}`, { code: "data" });
}

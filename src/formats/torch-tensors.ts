/** The Python objects in PyTorch's checkpoints: tensors as views of storages, rebuilt from a pickle without running anything. */

import { elementCount, swapBytes } from "./numpy-array.ts";
import { GlobalRef, type PickleGlobal, PickleObject, type UnpickleOptions } from "./pickle-machine.ts";
import { NUMPY_GLOBALS } from "./pickle-numpy.ts";
import { ITEM_BYTES, owned, type StoredDtype, type StoredTensor } from "./stored-tensor.ts";
import { gather, isRowMajor } from "./strided.ts";

/** The elements that tensors are views of. */
export interface Storage {
  key: string;
  dtype: StoredDtype;
  elements: number;
}

/** Where storages' bytes come from; `read` gives exactly elements × item size bytes as they stand in the file. */
export interface StorageSource {
  fileSize: number;
  littleEndian: boolean;
  /** Asked once for every storage that is mentioned. @throws when there is none, or it has another size */
  check(storage: Storage): void;
  read(storage: Storage): Uint8Array;
}

const STORAGES: Record<string, StoredDtype> = {
  DoubleStorage: "float64",
  FloatStorage: "float32",
  HalfStorage: "float16",
  BFloat16Storage: "bfloat16",
  LongStorage: "int64",
  IntStorage: "int32",
  ShortStorage: "int16",
  CharStorage: "int8",
  ByteStorage: "uint8",
  BoolStorage: "bool",
};

/** A pickle holds names and shapes only; the largest networks need a few MB. */
export const MAX_PICKLE = 16 * 2 ** 20;

/** Something harmless whose content is of no use here, such as a program's options. */
export class Inert extends PickleObject {
  override setState(): void {}
}

/** Tensors as a pickle describes them. */
export class TorchTensor implements StoredTensor {
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly place: string;
  readonly read: () => Uint8Array<ArrayBuffer>;

  constructor(storage: Storage, view: View, source: StorageCache) {
    this.dtype = storage.dtype;
    this.shape = view.shape;
    this.place = `${storage.key}+${view.offset}:${view.shape}:${view.strides}`;
    this.read = () => {
      const bytes = source.read(storage);
      const item = ITEM_BYTES[storage.dtype];
      const start = view.offset * item;
      if (isRowMajor(view)) return new Uint8Array(bytes.subarray(start, start + elementCount(view.shape) * item));
      return gather(bytes, view, item);
    };
  }
}

interface View {
  offset: number;
  shape: readonly number[];
  strides: readonly number[];
}

/** Keeps the storage that was read last, since views of one storage mostly follow each other. */
class StorageCache {
  readonly #source: StorageSource;
  #last: { key: string; bytes: Uint8Array<ArrayBuffer> } | undefined;
  #claimed = 0;

  constructor(source: StorageSource) {
    this.#source = source;
  }

  read(storage: Storage): Uint8Array<ArrayBuffer> {
    if (this.#last?.key !== storage.key) {
      // A copy in a buffer of its own: typed arrays need aligned memory.
      const bytes = owned(this.#source.read(storage));
      if (!this.#source.littleEndian) swapBytes(bytes, ITEM_BYTES[storage.dtype]);
      this.#last = { key: storage.key, bytes };
    }
    return this.#last.bytes;
  }

  /** A small file can name one storage a million times: what its tensors take together is bounded by its size. */
  claim(bytes: number): void {
    this.#claimed += bytes;
    const limit = 16 * this.#source.fileSize + 2 ** 20;
    if (this.#claimed > limit) throw new Error(`its tensors would take over ${limit} bytes, 16 times the file`);
  }
}

/** How to read a checkpoint's pickle. @param name the file's name, for messages */
export function torchUnpickling(name: string, source: StorageSource): UnpickleOptions {
  const cache = new StorageCache(source);
  const storages = new Map<string, Storage>();
  const rebuild: PickleGlobal = {
    call([storage, offset, shape, strides]) {
      const view = checkedView(storage, { offset, shape, strides });
      cache.claim(elementCount(view.shape) * ITEM_BYTES[(storage as Storage).dtype]);
      return new TorchTensor(storage as Storage, view, cache);
    },
  };
  const storageTypes = Object.keys(STORAGES).flatMap((type) => [`torch.${type}`, `torch.storage.${type}`]);
  return {
    name,
    globals: {
      ...Object.fromEntries(storageTypes.map((path) => [path, {}])),
      ...HARMLESS,
      "torch._utils._rebuild_tensor": rebuild,
      "torch._utils._rebuild_tensor_v2": rebuild,
      "torch._utils._rebuild_parameter": parameter,
      "torch._utils._rebuild_parameter_with_state": parameter,
    },
    persistentLoad(id) {
      const storage = storageOf(id);
      const known = storages.get(storage.key);
      if (known) {
        if (known.dtype === storage.dtype && known.elements === storage.elements) return known;
        throw new Error(`it describes storage "${storage.key}" in two ways`);
      }
      source.check(storage);
      storages.set(storage.key, storage);
      return storage;
    },
    advice(path) {
      if (path.startsWith("torch.storage.") || path.endsWith("Storage") || path === "torch._utils._rebuild_tensor_v3")
        return "elements of this type are not read";
      if (path.startsWith("torch.")) return "save network.state_dict() with torch.save instead";
      return "save only the state dict, without what else the program keeps in its checkpoint";
    },
  };
}

const parameter: PickleGlobal = {
  call([data]) {
    if (!(data instanceof TorchTensor)) throw new Error("a parameter holds no tensor");
    return data;
  },
};

const { "collections.OrderedDict": orderedDict, "numpy.dtype": dtype, "builtins.set": set } = NUMPY_GLOBALS;
const scalar = NUMPY_GLOBALS["numpy.core.multiarray.scalar"]!;
const encode: PickleGlobal = {
  call(args) {
    // Only scalars' bytes come this way; without a limit, one long text could be copied again and again.
    if (typeof args[0] === "string" && args[0].length > 64) throw new Error("it is longer than a number's bytes");
    return NUMPY_GLOBALS["_codecs.encode"]!.call!(args);
  },
};

/** What stands beside tensors in checkpoints and is data. */
const HARMLESS: Record<string, PickleGlobal> = {
  "collections.OrderedDict": orderedDict!,
  "builtins.set": set!,
  "__builtin__.set": set!,
  "numpy.dtype": dtype!,
  "numpy.core.multiarray.scalar": scalar,
  "numpy._core.multiarray.scalar": scalar,
  "_codecs.encode": encode,
  "torch.Size": { call: ([sides]) => sides },
  "torch.device": { call: ([kind]) => kind },
  "argparse.Namespace": { call: () => new Inert() },
};

/** The id is ("storage", type, key, place, elements), in old files with a sixth part for storages within storages. */
function storageOf(id: unknown): Storage {
  if (!Array.isArray(id) || id[0] !== "storage") throw new Error("it refers to something that is not a storage");
  const [, type, key, , elements, within] = id as unknown[];
  const name = type instanceof GlobalRef ? type.path.split(".").at(-1)! : "";
  if (!Object.hasOwn(STORAGES, name) || typeof key !== "string" || !isNatural(elements)) {
    throw new Error("a storage is not described properly");
  }
  if (within !== undefined && within !== null) {
    throw new Error("it has storages within storages, as PyTorch before 0.4 wrote; save it again with a newer one");
  }
  return { key, dtype: STORAGES[name]!, elements };
}

function checkedView(storage: unknown, { offset, shape, strides }: Record<keyof View, unknown>): View {
  if (typeof storage !== "object" || storage === null || !("elements" in storage))
    throw new Error("a tensor has no storage");
  const { elements } = storage as Storage;
  if (!isNatural(offset)) throw new Error(`a tensor's offset ${String(offset)} is impossible`);
  if (!isNaturals(shape) || Number.isNaN(elementCount(shape))) throw new Error("a tensor's shape is impossible");
  if (!isNaturals(strides) || strides.length !== shape.length) throw new Error("a tensor's strides are impossible");
  const count = elementCount(shape);
  const last = offset + shape.reduce((sum, side, axis) => sum + (side - 1) * strides[axis]!, 0);
  if (count > 0 ? !(last < elements) : !(offset <= elements)) {
    throw new Error(`a tensor [${shape}] reaches to element ${last} of a storage of ${elements}`);
  }
  if (count > elements) throw new Error(`a tensor [${shape}] repeats a storage of only ${elements} elements`);
  return { offset, shape, strides };
}

function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isNaturals(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 64 && value.every(isNatural);
}

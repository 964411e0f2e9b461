/**
 * Finds libtorch: the folder in LIBTORCH, the one inside Python's torch package, or the system's, in this order.
 * Plain Node without dependencies: the set-up script runs it before anything is installed.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import path from "node:path";

/** What to do when there is no libtorch; part of every message about it. */
export const LIBTORCH_WAYS = [
  "three ways to give csrm a libtorch (1.13 or newer):",
  "  1. the system's:     apt-get install libtorch-dev libopenblas0-openmp libgloo-dev g++   (Debian 12+, Ubuntu 23.04+)",
  "  2. a folder:         LIBTORCH=/path/to/libtorch   (with include/ and lib/, as pytorch.org's archive unpacks)",
  "  3. Python's PyTorch: LIBTORCH_USE_PYTORCH=1   (where python3 -c 'import torch' works)",
].join("\n");

const SYSTEM_PREFIXES = ["/usr", "/usr/local", "/opt/homebrew"];
const OLDEST = [1, 13];

/** No usable libtorch. `missing` is true where the user asked for none in particular and the system has none either. */
export class LibtorchError extends Error {
  constructor(message, { missing = false } = {}) {
    super(`${message}\n${LIBTORCH_WAYS}`);
    this.name = "LibtorchError";
    this.missing = missing;
  }
}

/**
 * Locates libtorch's headers and libraries without loading them.
 * A source that is asked for by name but unusable is an error: the next one is not tried in its place.
 * @param {{env?: Record<string, string | undefined>, prefixes?: string[]}} [options]
 * @returns {import("./libtorch.d.mts").Libtorch}
 * @throws {LibtorchError} naming what is wrong and the three ways to give csrm a libtorch
 */
export function findLibtorch({ env = process.env, prefixes = SYSTEM_PREFIXES } = {}) {
  if (env.LIBTORCH) return inFolder(path.resolve(env.LIBTORCH), "LIBTORCH", `LIBTORCH=${env.LIBTORCH}`);
  if (env.LIBTORCH_USE_PYTORCH && env.LIBTORCH_USE_PYTORCH !== "0") {
    return inFolder(pythonTorchFolder(env), "pytorch", "LIBTORCH_USE_PYTORCH=1");
  }
  for (const prefix of prefixes) {
    const libDir = libraryFolders(prefix).find(hasLibtorch);
    if (libDir && existsSync(path.join(prefix, "include/torch"))) {
      return describe("system", path.join(prefix, "include"), libDir, prefix);
    }
  }
  throw new LibtorchError(`no libtorch found under ${prefixes.join(", ")}`, { missing: true });
}

/**
 * Whether Debian's libtorch would multiply matrices with the unoptimised reference BLAS, which its package accepts.
 * Measured with two threads: a 768³ float32 product takes 124 ms with it and 4.5 ms with OpenBLAS.
 * @param {{source: string, libDirs: string[]}} libtorch
 */
export function usesReferenceBlas({ source, libDirs }) {
  if (source !== "system") return false;
  const library = libDirs.map((folder) => path.join(folder, "libblas.so.3")).find((file) => existsSync(file));
  return library !== undefined && path.basename(path.dirname(realpathSync(library))) === "blas";
}

function inFolder(root, source, asked) {
  const include = path.join(root, "include");
  const libDir = libraryFolders(root).find(hasLibtorch);
  if (!libDir) throw new LibtorchError(`${asked}: no libtorch.so in ${path.join(root, "lib")}`);
  if (!existsSync(path.join(include, "torch"))) throw new LibtorchError(`${asked}: no torch headers in ${include}`);
  return describe(source, include, libDir, asked);
}

function describe(source, include, libDir, where) {
  const version = readVersion(include, where);
  const [major, minor] = version.split(".").map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    throw new LibtorchError(`expected libtorch ${OLDEST.join(".")} or newer, got ${version} from ${where}`);
  }
  return {
    source,
    includeDirs: [include, path.join(include, "torch/csrc/api/include")],
    libDirs: [libDir],
    version,
    cxx11Abi: usesCxx11Abi(libDir) ? 1 : 0,
    cuda: hasLibrary(libDir, "torch_cuda"),
    gloo: existsSync(path.join(include, "gloo/context.h")),
    nccl: ncclIncludes(include, libDir),
  };
}

/**
 * Folders of headers that NCCL's process group is compiled with, or null where libtorch has no CUDA or one of them is missing: CUDA's
 * (CUDA_HOME, or the packages beside Python's torch) and NCCL's own.
 */
function ncclIncludes(include, libDir) {
  if (!hasLibrary(libDir, "torch_cuda")) return null;
  const packages = path.join(path.dirname(path.dirname(libDir)), "nvidia");
  const beside = existsSync(packages) ? readdirSync(packages).map((name) => path.join(packages, name, "include")) : [];
  const places = [include, path.join(process.env.CUDA_HOME ?? "/usr/local/cuda", "include"), "/usr/include", ...beside];
  const needed = ["cuda_runtime_api.h", "nccl.h"].map((header) =>
    places.find((place) => existsSync(path.join(place, header))),
  );
  return needed.every((place) => place !== undefined)
    ? [...new Set(needed)].filter((place) => place !== "/usr/include")
    : null;
}

/** Since 2.8 torch/version.h only includes torch/headeronly/version.h, so that one is looked at first. */
function readVersion(include, where) {
  const candidates = ["torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h"];
  for (const file of candidates.map((name) => path.join(include, name)).filter((name) => existsSync(name))) {
    const text = readFileSync(file, "utf8");
    const parts = ["MAJOR", "MINOR", "PATCH"].map(
      (part) => new RegExp(`TORCH_VERSION_${part}\\s+(\\d+)`).exec(text)?.[1],
    );
    if (parts.every((part) => part !== undefined)) return parts.join(".");
  }
  throw new LibtorchError(`${where}: no version in ${path.join(include, candidates[1])}`);
}

/** The old and the new std::string differ in their symbols' names, so the library itself says how it was built. */
function usesCxx11Abi(libDir) {
  if (process.platform !== "linux") return true;
  const bytes = readFileSync(path.join(libDir, "libc10.so"));
  return bytes.includes("__cxx11") || bytes.includes("B5cxx11");
}

function pythonTorchFolder(env) {
  const script =
    "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')";
  let folder;
  try {
    folder = execFileSync("python3", ["-c", script], {
      env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    }).trim();
  } catch (error) {
    const reason = String(error.stderr || error.message)
      .trim()
      .split("\n")
      .at(-1);
    throw new LibtorchError(`LIBTORCH_USE_PYTORCH=1: python3 cannot be asked for its torch: ${reason}`);
  }
  if (!folder) throw new LibtorchError("LIBTORCH_USE_PYTORCH=1: python3 has no torch package");
  return folder;
}

/** lib/, lib64/ and Debian's multiarch folders (lib/x86_64-linux-gnu). */
function libraryFolders(prefix) {
  const lib = path.join(prefix, "lib");
  const multiarch = existsSync(lib) ? readdirSync(lib).filter((name) => name.endsWith("-linux-gnu")) : [];
  return [...multiarch.map((name) => path.join(lib, name)), lib, path.join(prefix, "lib64")];
}

function hasLibtorch(folder) {
  return hasLibrary(folder, "torch") && hasLibrary(folder, "c10");
}

function hasLibrary(folder, name) {
  return existsSync(path.join(folder, `lib${name}.so`)) || existsSync(path.join(folder, `lib${name}.dylib`));
}

/**
 * Builds the addon build/csrm.node from native/ with the system's C++ compiler: only what changed, several files at once.
 * Plain Node without dependencies but the headers of node-api-headers.
 */
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { findLibtorch } from "./libtorch.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const run = promisify(execFile);

/** Sources in build order: the slowest first, so that the last minute of a parallel build is not one file alone. */
function sources() {
  const files = ["native/src", "native/kernels", "native/crf", "native/cuda", "native/dist"].flatMap((folder) => {
    const absolute = path.join(root, folder);
    return existsSync(absolute) ? readdirSync(absolute).map((name) => path.join(absolute, name)) : [];
  });
  const bySize = (a, b) => statSync(b).size - statSync(a).size;
  return {
    units: files.filter((file) => file.endsWith(".cc")).sort(bySize),
    headers: files.filter((file) => file.endsWith(".h")),
  };
}

/** What the object files depend on besides their sources; another compiler, libtorch or CPU means building anew. */
function configuration() {
  const libtorch = findLibtorch();
  const compiler = process.env.CXX || "g++";
  const [major, minor] = libtorch.version.split(".").map(Number);
  const standard = major > 2 || (major === 2 && minor >= 10) ? "c++20" : "c++17";
  const nodeHeaders = createRequire(path.join(root, "package.json"))("node-api-headers").include_dir;
  const flags = [
    `-std=${standard}`,
    "-O3",
    // The addon is built where it runs, so it may use every instruction of this CPU; the stamp notices another one.
    ...(process.arch === "x64" ? ["-march=native"] : []),
    "-fPIC",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
    "-DNAPI_VERSION=8",
    `-D_GLIBCXX_USE_CXX11_ABI=${libtorch.cxx11Abi}`,
    `-I${path.join(root, "native/src")}`,
    `-I${nodeHeaders}`,
    ...(libtorch.gloo ? ["-DUSE_C10D_GLOO"] : []),
    ...(libtorch.nccl ? ["-DUSE_C10D_NCCL", ...libtorch.nccl.flatMap((folder) => ["-isystem", folder])] : []),
    // libtorch's own headers are not ours to warn about.
    ...libtorch.includeDirs.flatMap((folder) => (folder === "/usr/include" ? [] : ["-isystem", folder])),
  ];
  const libraries = [
    ...["torch", "torch_cpu", "c10"],
    ...(libtorch.cuda ? ["torch_cuda", "c10_cuda"] : []),
    // Debian has Gloo in a library of its own, others inside of libtorch.
    ...(libtorch.gloo && libtorch.libDirs.some((folder) => existsSync(path.join(folder, "libgloo.so")))
      ? ["gloo"]
      : []),
  ];
  const linkFlags = [
    "-shared",
    ...(process.platform === "darwin" ? ["-undefined", "dynamic_lookup"] : ["-Wl,--no-as-needed"]),
    ...libtorch.libDirs.flatMap((folder) => [`-L${folder}`, `-Wl,-rpath,${folder}`]),
    ...libraries.map((name) => `-l${name}`),
  ];
  return { libtorch, compiler, flags, linkFlags, cpu: cpuFlags() };
}

function cpuFlags() {
  try {
    return /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1].trim() ?? os.cpus()[0]?.model;
  } catch {
    return os.cpus()[0]?.model ?? "unknown";
  }
}

const newer = (file, than) => !existsSync(than) || statSync(file).mtimeMs > statSync(than).mtimeMs;

/**
 * Brings build/csrm.node up to date.
 * @param {{log?: (line: string) => void, force?: boolean}} [options]
 * @returns {Promise<{built: boolean, file: string, libtorch: import("./libtorch.d.mts").Libtorch}>}
 * @throws when there is no libtorch or the compiler fails; the message holds the compiler's output
 */
export async function buildNative({ log = () => {}, force = false } = {}) {
  const config = configuration();
  const buildDir = path.join(root, "build");
  const objectDir = path.join(buildDir, "obj");
  const target = path.join(buildDir, "csrm.node");
  const stampFile = path.join(buildDir, "native.json");
  const stamp = createHash("sha256").update(JSON.stringify(config)).digest("hex");
  const known = existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, "utf8")).stamp : undefined;
  if (force || known !== stamp) rmSync(objectDir, { recursive: true, force: true });
  mkdirSync(objectDir, { recursive: true });

  const { units, headers } = sources();
  const objectOf = (unit) =>
    path.join(objectDir, `${path.basename(path.dirname(unit))}-${path.basename(unit, ".cc")}.o`);
  const stale = units.filter((unit) => [unit, ...headers].some((file) => newer(file, objectOf(unit))));
  if (stale.length === 0 && known === stamp && units.every((unit) => !newer(objectOf(unit), target))) {
    return { built: false, file: target, libtorch: config.libtorch };
  }
  const { libtorch } = config;
  log(
    `building the native addon against libtorch ${libtorch.version} (${libtorch.source}): ${stale.length} of ${units.length} files`,
  );
  const queue = [...stale];
  const compile = async () => {
    for (let unit = queue.shift(); unit; unit = queue.shift()) {
      const object = objectOf(unit);
      // Written under another name first: an interrupted compiler must not leave an object that looks finished.
      await compilerRun(config.compiler, [...config.flags, "-c", unit, "-o", `${object}.tmp`], unit);
      renameSync(`${object}.tmp`, object);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, os.availableParallelism()) }, compile));
  const temporary = `${target}.${process.pid}.tmp`;
  await compilerRun(config.compiler, [...units.map(objectOf), ...config.linkFlags, "-o", temporary], "csrm.node");
  renameSync(temporary, target);
  const compilerVersion = execFileSync(config.compiler, ["--version"], { encoding: "utf8" }).split("\n")[0];
  writeFileSync(stampFile, `${JSON.stringify({ stamp, libtorch, compiler: compilerVersion }, null, 2)}\n`);
  return { built: true, file: target, libtorch };
}

async function compilerRun(compiler, args, what) {
  try {
    await run(compiler, args, { maxBuffer: 64 << 20 });
  } catch (error) {
    const output =
      error.code === "ENOENT" ? `${compiler} not found: apt-get install g++` : error.stderr || error.message;
    throw new Error(`building ${path.relative(root, what) || what} failed:\n${output}`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const started = Date.now();
  try {
    const { built, libtorch } = await buildNative({ log: console.log, force: process.argv.includes("--force") });
    if (built)
      console.log(`built against libtorch ${libtorch.version} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}

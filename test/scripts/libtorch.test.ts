/** Where libtorch is looked for, with made-up folders in place of real ones. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { findLibtorch, LibtorchError, usesReferenceBlas } from "../../scripts/libtorch.mjs";

const root = mkdtempSync(path.join(tmpdir(), "csrm-libtorch-"));
afterAll(() => rmSync(root, { recursive: true }));

function makeLibtorch(name: string, options: { version: string; lib?: string; headeronly?: boolean; abi?: string }) {
  const folder = path.join(root, name);
  const lib = path.join(folder, options.lib ?? "lib");
  const include = path.join(folder, "include/torch");
  const apiFolder = path.join(include, "csrc/api/include/torch");
  const [major, minor, patch] = options.version.split(".");
  const text = `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n#define TORCH_VERSION_PATCH ${patch}\n`;
  mkdirSync(lib, { recursive: true });
  mkdirSync(apiFolder, { recursive: true });
  for (const file of ["libtorch.so", "libc10.so"]) writeFileSync(path.join(lib, file), options.abi ?? "_ZNSt7__cxx11");
  if (options.headeronly) {
    mkdirSync(path.join(include, "headeronly"));
    writeFileSync(path.join(include, "headeronly/version.h"), text);
    writeFileSync(path.join(apiFolder, "version.h"), "#include <torch/headeronly/version.h>\n");
  } else writeFileSync(path.join(apiFolder, "version.h"), text);
  return folder;
}

function failureOf(action: () => unknown): LibtorchError {
  try {
    action();
  } catch (error) {
    if (error instanceof LibtorchError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("findLibtorch", () => {
  it("takes the folder in LIBTORCH before the system's", () => {
    const system = makeLibtorch("usr", { version: "1.13.0", lib: "lib/x86_64-linux-gnu" });
    const folder = makeLibtorch("own", { version: "2.4.1" });
    const found = findLibtorch({ env: { LIBTORCH: folder }, prefixes: [system] });
    expect(found).toMatchObject({ source: "LIBTORCH", version: "2.4.1", cuda: false, gloo: false });
    expect(found.includeDirs).toEqual([
      path.join(folder, "include"),
      path.join(folder, "include/torch/csrc/api/include"),
    ]);
    expect(found.libDirs).toEqual([path.join(folder, "lib")]);
  });

  it("finds the system's in Debian's multiarch folder", () => {
    const system = makeLibtorch("debian", { version: "1.13.0", lib: "lib/aarch64-linux-gnu" });
    const found = findLibtorch({ env: {}, prefixes: [path.join(root, "nowhere"), system] });
    expect(found).toMatchObject({ source: "system", libDirs: [path.join(system, "lib/aarch64-linux-gnu")] });
  });

  it("reads the version from where libtorch 2.8 and newer keep it", () => {
    const folder = makeLibtorch("new", { version: "2.13.0", headeronly: true });
    expect(findLibtorch({ env: { LIBTORCH: folder } }).version).toBe("2.13.0");
  });

  it.runIf(process.platform === "linux")("tells the two std::string ABIs apart by the library's symbols", () => {
    const old = makeLibtorch("old-abi", { version: "2.0.0", abi: "_ZN3c105ErrorC1ESs" });
    const recent = makeLibtorch("new-abi", { version: "2.0.0" });
    expect(findLibtorch({ env: { LIBTORCH: old } }).cxx11Abi).toBe(0);
    expect(findLibtorch({ env: { LIBTORCH: recent } }).cxx11Abi).toBe(1);
  });

  it("sees CUDA and Gloo where they are", () => {
    const folder = makeLibtorch("gpu", { version: "2.6.0" });
    writeFileSync(path.join(folder, "lib/libtorch_cuda.so"), "");
    mkdirSync(path.join(folder, "include/gloo"));
    writeFileSync(path.join(folder, "include/gloo/context.h"), "");
    expect(findLibtorch({ env: { LIBTORCH: folder } })).toMatchObject({ cuda: true, gloo: true });
  });

  it("says that nothing was found, and the three ways, when the system has none", () => {
    const error = failureOf(() => findLibtorch({ env: {}, prefixes: [path.join(root, "nowhere")] }));
    expect(error.missing).toBe(true);
    expect(error.message).toMatch(/apt-get install libtorch-dev[\s\S]*LIBTORCH=[\s\S]*LIBTORCH_USE_PYTORCH=1/);
  });

  it("does not fall back to the system's when LIBTORCH is unusable, and names the folder", () => {
    const system = makeLibtorch("usr2", { version: "1.13.0" });
    const error = failureOf(() => findLibtorch({ env: { LIBTORCH: path.join(root, "gone") }, prefixes: [system] }));
    expect(error.missing).toBe(false);
    expect(error.message).toContain(path.join(root, "gone"));
  });

  it("refuses a libtorch older than 1.13, naming both versions", () => {
    const folder = makeLibtorch("ancient", { version: "1.8.1" });
    const error = failureOf(() => findLibtorch({ env: { LIBTORCH: folder } }));
    expect(error.message).toContain("expected libtorch 1.13 or newer, got 1.8.1");
    expect(error.missing).toBe(false);
  });

  it("says so when python3 has no torch or cannot be run", () => {
    const error = failureOf(() => findLibtorch({ env: { LIBTORCH_USE_PYTORCH: "1", PATH: root } }));
    expect(error.message).toContain("LIBTORCH_USE_PYTORCH=1: python3 cannot be asked");
  });
});

describe("usesReferenceBlas", () => {
  function systemWithBlas(name: string, provider: string) {
    const lib = path.join(root, name);
    mkdirSync(path.join(lib, provider), { recursive: true });
    writeFileSync(path.join(lib, provider, "libblas.so.3"), "");
    symlinkSync(path.join(lib, provider, "libblas.so.3"), path.join(lib, "libblas.so.3"));
    return { source: "system" as const, libDirs: [lib] };
  }

  it("follows Debian's alternatives to the library in use", () => {
    expect(usesReferenceBlas(systemWithBlas("reference", "blas"))).toBe(true);
    expect(usesReferenceBlas(systemWithBlas("fast", "openblas-openmp"))).toBe(false);
  });

  it("has no doubt about PyTorch's own builds, which bring their BLAS along", () => {
    expect(usesReferenceBlas({ source: "pytorch", libDirs: [path.join(root, "reference")] })).toBe(false);
  });
});

/** Doctor's judgement, for machines that are not this one. */
import { describe, expect, it } from "vitest";
import type { Libtorch } from "../../scripts/libtorch.mjs";
import { asText, examine, isHealthy } from "../../src/cli/commands/doctor.ts";
import {
  attempt,
  checkAddon,
  checkCpu,
  checkDisk,
  checkGpus,
  checkLibtorch,
  checkNode,
  checkProcesses,
  checkSameLibtorch,
  checkSharp,
  type Runtime,
} from "../../src/cli/doctor-checks.ts";

const libtorch: Libtorch = {
  source: "system",
  includeDirs: ["/usr/include"],
  libDirs: ["/usr/lib"],
  version: "1.13.0",
  cxx11Abi: 1,
  cuda: false,
  gloo: false,
  nccl: null,
};
const runtime: Runtime = {
  libtorch: "1.13.0",
  cpuCapability: "AVX2",
  threads: 1,
  cudaDevices: 0,
  processGroups: [],
  config: "  - Intel(R) MKL-DNN v2.6.3 (Git Hash N/A)\n",
};
const cpu = { model: "Some CPU", cores: 8, avx2: true, avx512: true, bf16: true };

describe("doctor", () => {
  it("finds this machine healthy and tells every fact once", async () => {
    const checks = await examine();
    expect(isHealthy(checks)).toBe(true);
    const names = checks.map((check) => check.name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of ["node", "libtorch", "addon", "sharp", "cpu", "threads", "gpus", "disk"])
      expect(names).toContain(name);
  });

  it("fails on an old Node and says what to install", () => {
    expect(checkNode("v20.18.0")).toMatchObject({ state: "fail", fix: expect.stringContaining("20.19") as string });
    expect(checkNode("v22.0.0").state).toBe("ok");
  });

  it("gives the three ways as the remedy for an absent libtorch", () => {
    const check = checkLibtorch({ error: "no libtorch found under /usr\nthree ways:\n  1. apt\n  2. folder" });
    expect(check).toEqual({
      name: "libtorch",
      state: "fail",
      detail: "no libtorch found under /usr",
      fix: "three ways:\n  1. apt\n  2. folder",
    });
    expect(asText([check])).toContain("→ 1. apt");
  });

  it("goes on and names the reason when the addon does not load", async () => {
    const addon = await attempt<Runtime>(() => {
      throw new Error("the native addon is not built");
    });
    const check = checkAddon(addon);
    expect(check).toMatchObject({ state: "fail", detail: "the native addon is not built" });
    expect(check.fix).toContain("node scripts/setup.mjs");
    expect(checkCpu(cpu, addon).detail).toBe("Some CPU, 8 cores, AVX2, AVX-512, bf16; precision auto is bf16");
    expect(asText([check])).toContain("cannot work here");
  });

  it("tells what libtorch makes of the processor", () => {
    expect(checkCpu(cpu, { value: runtime }).detail).toContain("libtorch uses AVX2, oneDNN 2.6.3");
    expect(checkCpu({ ...cpu, bf16: false }, { value: runtime }).detail).toContain("precision auto is fp32");
  });

  it("warns when another libtorch is found than the addon was built against", () => {
    expect(checkSameLibtorch({ value: libtorch }, { value: runtime })).toEqual([]);
    const [check] = checkSameLibtorch({ value: { ...libtorch, version: "2.4.0" } }, { value: runtime });
    expect(check).toMatchObject({ state: "warn", detail: expect.stringMatching(/2\.4\.0.*1\.13\.0/) as string });
  });

  it("distinguishes no GPU, a GPU without a CUDA libtorch, and a GPU that libtorch cannot use", () => {
    const cudaLibtorch = { value: { ...libtorch, cuda: true } };
    const none = () => null;
    expect(checkGpus({ value: libtorch }, { value: runtime }, false, none)).toMatchObject({
      state: "info",
      detail: "none",
    });
    expect(checkGpus({ value: libtorch }, { value: runtime }, true, none).fix).toContain("LIBTORCH");
    expect(checkGpus(cudaLibtorch, { value: runtime }, true, none).fix).toContain("nvidia-smi");
    const two = { value: { ...runtime, cudaDevices: 2 } };
    expect(checkGpus(cudaLibtorch, two, true, none)).toMatchObject({ state: "ok" });
    const old = (device: string) => (device === "cuda:1" ? "NVRTC cannot compile for sm_37" : null);
    expect(checkGpus(cudaLibtorch, two, true, old)).toMatchObject({
      state: "warn",
      detail: expect.stringContaining("more slowly: NVRTC cannot compile for sm_37") as string,
    });
  });

  it("says whether several processes can train, and what that needs", () => {
    const state = (found: Partial<Libtorch>, processGroups: string[]) =>
      checkProcesses({ value: { ...libtorch, ...found } }, { value: { ...runtime, processGroups } })[0]!;
    expect(state({ gloo: true }, ["gloo"])).toMatchObject({ state: "ok" });
    expect(state({}, []).fix).toBe("apt-get install libgloo-dev, then node scripts/setup.mjs");
    expect(state({ source: "pytorch" }, [])).toMatchObject({ state: "info", fix: undefined });
    expect(state({ gloo: true }, [])).toMatchObject({ state: "warn", fix: "node scripts/setup.mjs builds it anew" });
  });

  it("fails without sharp and warns when the disk is nearly full", () => {
    expect(checkSharp({ error: "Could not load the sharp module\nmore" })).toMatchObject({
      state: "fail",
      detail: "Could not load the sharp module",
    });
    expect(checkDisk("/runs", 2 ** 30)).toMatchObject({ state: "warn", detail: "1.0 GiB free in /runs" });
    expect(checkDisk("/runs", 2 ** 33).state).toBe("ok");
  });
});

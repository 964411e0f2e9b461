/** What is recorded about the machine. */
import { tmpdir } from "node:os";
import { describe, expect, it } from "vitest";
import { collectEnvironment, cpuInfo, packageVersion } from "../src/environment.ts";

describe("collectEnvironment", () => {
  it("names the versions in use", () => {
    const environment = collectEnvironment();
    expect(environment.csrm).toBe(packageVersion());
    expect(environment.csrm).toMatch(/^\d+\.\d+\.\d+/);
    expect(environment.node).toBe(process.version);
    expect(environment.libtorch).toMatch(/^\d+\.\d+\.\d+ \((system|LIBTORCH|pytorch)\)|^none: /);
  });

  it("has no commit outside a repository", () => {
    expect(collectEnvironment(tmpdir()).git).toBeNull();
  });
});

describe("cpuInfo", () => {
  it.each([
    [["avx2", "fma"], { avx2: true, avx512: false, bf16: false }],
    [["avx2", "avx512f", "avx512vl"], { avx2: true, avx512: true, bf16: false }],
    [["avx2", "avx512f", "avx512vl", "avx512_bf16"], { avx2: true, avx512: true, bf16: true }],
    [["avx2", "avx512f", "avx512vl", "amx_bf16"], { avx2: true, avx512: true, bf16: true }],
    [[], { avx2: false, avx512: false, bf16: false }],
  ])("reads %j", (flags, wanted) => {
    expect(cpuInfo(new Set(flags))).toMatchObject(wanted);
  });
});

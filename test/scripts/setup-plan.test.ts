/** What the set-up script decides, case by case. */
import { describe, expect, it } from "vitest";
import { FAST_BLAS, type Facts, GLOO, packagesState, planSetup } from "../../scripts/setup-plan.mjs";

const complete: Facts = {
  node: "v20.19.0",
  libtorch: { error: null, missing: false },
  slowBlas: false,
  noGloo: false,
  compiler: true,
  apt: true,
  privilege: "root",
  packages: "current",
  sources: "current",
};
const noLibtorch = { error: "no libtorch found", missing: true };

describe("planSetup", () => {
  it("only lets the native build check itself when everything is there", () => {
    expect(planSetup(complete)).toEqual({ actions: [{ kind: "native" }], notes: [], problem: null });
  });

  it("installs what a bare Debian with Node lacks, in the order of need", () => {
    const facts: Facts = {
      ...complete,
      libtorch: noLibtorch,
      compiler: false,
      packages: "missing",
      sources: "changed",
    };
    expect(planSetup(facts).actions).toEqual([
      { kind: "apt", packages: ["libtorch-dev", FAST_BLAS, GLOO, "g++"], sudo: false, optional: false },
      { kind: "npm", reason: "missing" },
      { kind: "native" },
      { kind: "build" },
    ]);
  });

  it("installs only the compiler when only the compiler is missing, through sudo where that needs no password", () => {
    const { actions } = planSetup({ ...complete, compiler: false, privilege: "sudo" });
    expect(actions[0]).toEqual({ kind: "apt", packages: ["g++"], sudo: true, optional: false });
  });

  it("names the apt command and the three ways to a libtorch when it may not install", () => {
    const { actions, problem } = planSetup({ ...complete, libtorch: noLibtorch, compiler: false, privilege: null });
    expect(actions).toEqual([]);
    expect(problem).toContain(`apt-get install -y libtorch-dev ${FAST_BLAS} ${GLOO} g++`);
    for (const way of ["apt-get install libtorch-dev", "LIBTORCH=/path", "LIBTORCH_USE_PYTORCH=1"])
      expect(problem).toContain(way);
  });

  it("does not speak of apt-get as a command to run where there is none", () => {
    const { problem } = planSetup({ ...complete, compiler: false, apt: false, privilege: "root" });
    expect(problem).toContain("no apt-get");
    expect(problem).toContain("C++17 compiler");
    expect(problem).not.toContain("Ask someone with root");
  });

  it("passes on the message about a libtorch that was asked for by name and installs nothing in its place", () => {
    const error = "LIBTORCH=/nowhere: no libtorch.so in /nowhere/lib";
    expect(planSetup({ ...complete, libtorch: { error, missing: false } })).toEqual({
      actions: [],
      notes: [],
      problem: error,
    });
  });

  it("replaces a slow BLAS where it may, and only says so where it may not", () => {
    const [first] = planSetup({ ...complete, slowBlas: true }).actions;
    expect(first).toEqual({ kind: "apt", packages: [FAST_BLAS], sudo: false, optional: true });
    const without = planSetup({ ...complete, slowBlas: true, privilege: null });
    expect(without.actions).toEqual([{ kind: "native" }]);
    expect(without.notes.join()).toContain(FAST_BLAS);
  });

  it("adds the headers for several processes where it may, and says nothing where it may not", () => {
    const [first] = planSetup({ ...complete, noGloo: true }).actions;
    expect(first).toEqual({ kind: "apt", packages: [GLOO], sudo: false, optional: true });
    const without = planSetup({ ...complete, noGloo: true, privilege: null });
    expect(without).toEqual({ actions: [{ kind: "native" }], notes: [], problem: null });
  });

  it.each(["v18.20.0", "v20.18.9"])("refuses Node %s", (node) => {
    expect(planSetup({ ...complete, node }).problem).toContain("Node 20.19 or newer");
  });

  it.each(["v20.19.0", "v22.1.0", "v24.0.0"])("takes Node %s", (node) => {
    expect(planSetup({ ...complete, node }).problem).toBeNull();
  });

  it("neither installs packages nor builds dist in an installed package without sources", () => {
    const plan = planSetup({ ...complete, packages: "none needed", sources: "absent" });
    expect(plan.actions).toEqual([{ kind: "native" }]);
  });
});

describe("packagesState", () => {
  const lock = (packages: Record<string, { version?: string; optional?: boolean }>) => JSON.stringify({ packages });
  const wanted = lock({
    "": {},
    "node_modules/a": { version: "1.0.0" },
    "node_modules/b": { version: "2.0.0", optional: true },
  });

  it("is current when every locked version is installed, optional ones for other platforms left out", () => {
    expect(packagesState(wanted, lock({ "node_modules/a": { version: "1.0.0" } }))).toBe("current");
  });

  it("is outdated when a version differs or a package is missing", () => {
    expect(packagesState(wanted, lock({ "node_modules/a": { version: "0.9.0" } }))).toBe("outdated");
    expect(packagesState(wanted, lock({ "node_modules/b": { version: "2.0.0" } }))).toBe("outdated");
    expect(
      packagesState(wanted, lock({ "node_modules/a": { version: "1.0.0" }, "node_modules/b": { version: "3.0.0" } })),
    ).toBe("outdated");
  });

  it("is missing without node_modules and needs nothing without a lock file", () => {
    expect(packagesState(wanted, null)).toBe("missing");
    expect(packagesState(null, null)).toBe("none needed");
  });
});

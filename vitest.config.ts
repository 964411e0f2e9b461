import { defineConfig } from "vitest/config";

export default defineConfig({
  // Node 20 does not know `using`; the compiler writes it out.
  oxc: { target: "es2022" },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/helpers/global-setup.ts",
    setupFiles: "test/helpers/file-setup.ts",
    // libtorch's threads are tied to the process, and two cores gain nothing from more of them.
    pool: "forks",
    maxWorkers: 2,
    // Some tests train; on a machine that does other things at the same time they take many times their seconds.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    env: { OMP_WAIT_POLICY: "passive" },
  },
});

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { readSuite, SUITE, type Suite, suiteMarkdown } from "../../bench/lib/suite.ts";
import { timingOf } from "../../bench/measure.ts";

const suite: Suite = {
  kind: "csrm benchmarks",
  command: "npm run bench",
  date: "2026-11-26T12:00:00.000Z",
  device: "cpu",
  machine: {
    ...{ cpu: "AMD EPYC", cores: 2, memory_gib: 24, system: "Debian 12, Linux 6.1", node: "v20.20.2" },
    ...{ libtorch: "1.13.0", bf16: true, gpu: null, commit: "abc1234" },
  },
  load: { before: 0.123, after: 1.9 },
  seconds: 600,
  results: {
    ...Object.fromEntries(SUITE.map((benchmark) => [benchmark, { benchmark, sections: [] }])),
    step: {
      benchmark: "step",
      sections: [{ title: "One step", unit: "seconds", rows: [{ what: "all", value: timingOf([6]) }] }],
    },
  },
  failed: {},
};

function file(content: unknown): string {
  const name = path.join(mkdtempSync(path.join(tmpdir(), "csrm-suite-")), "bench.json");
  writeFileSync(name, typeof content === "string" ? content : JSON.stringify(content));
  return name;
}

it("becomes a document that says where and how it was measured", () => {
  expect(suiteMarkdown(suite)).toBe(`    npm run bench

2 cores of AMD EPYC (with bfloat16), 24 GiB, Debian 12, Linux 6.1, libtorch 1.13.0, Node 20.20.2, commit abc1234. 2026-11-26; 10.0 minutes; load of the machine 0.12 before and 1.90 after. Values are medians (least … most).

### One step

|  | csrm |
|---|---|
| all | 6.00 s |`);
});

it("names the benchmarks that it lacks", () => {
  const { operator: _, ...results } = suite.results;
  expect(suiteMarkdown({ ...suite, results })).toContain("\n\nNot measured in this run: operator.\n\n");
});

it("is read from its own file and from that of gpu-check", async () => {
  expect(await readSuite(file(suite))).toEqual(suite);
  expect(await readSuite(file({ kind: "csrm gpu check", suite }))).toEqual(suite);
});

it("is not taken from another file", async () => {
  await expect(readSuite(file({ skipped: "no GPU" }))).rejects.toThrow(
    /bench\.json holds no benchmarks; npm run bench/,
  );
  await expect(readSuite(file("not JSON"))).rejects.toThrow(/bench\.json cannot be read as JSON/);
});

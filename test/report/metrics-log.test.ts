import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type MetricsLog, readMetricsLog } from "../../src/report/metrics-log.ts";

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "csrm-log-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function read(text: string): MetricsLog {
  writeFileSync(join(root, "metrics.jsonl"), text);
  return readMetricsLog(join(root, "metrics.jsonl"));
}

describe("metrics.jsonl", () => {
  it("becomes one series a loss and one a further number, nested ones by path", () => {
    const log = read(
      '{"step":5,"time":2,"losses":{"total":1.5,"s2c":0.1},"lr":{"heads":0.001},"note":"x"}\n\n' +
        '{"step":10,"time":4.5,"losses":{"total":1.25},"lr":{"heads":0.0005},"gap":null}\n',
    );
    expect(log.losses).toEqual([
      { name: "total", steps: [5, 10], values: [1.5, 1.25] },
      { name: "s2c", steps: [5], values: [0.1] },
    ]);
    expect(log.others).toEqual([{ name: "lr.heads", steps: [5, 10], values: [0.001, 0.0005] }]);
    expect(log.lastStep).toBe(10);
    expect(log.seconds).toBe(4.5);
  });

  it("may end in a line that is still being written", () => {
    expect(read('{"step":1,"losses":{"a":1}}\n{"step":2,"loss').lastStep).toBe(1);
    expect(read('{"step":1,"losses":{"a":1}}\n{"step":2,"loss\n').lastStep).toBe(1);
    expect(read("")).toEqual({ losses: [], others: [], lastStep: null, seconds: null });
  });

  it("names file and line of any other broken line", () => {
    expect(() => read('{"step":1}\n{"step":2,\n{"step":3}\n')).toThrow(
      /JSON object at .*metrics\.jsonl:2, got \{"step":2,/,
    );
    expect(() => read('{"step":1}\n{"time":2}\n')).toThrow(/number "step" at .*metrics\.jsonl:2/);
    expect(() => read("[1]\n")).toThrow(/metrics\.jsonl:1/);
  });

  it("lets a resumed stage overwrite the steps it did again, and adds its times up", () => {
    const log = read(
      '{"step":1,"time":10,"losses":{"a":1}}\n{"step":2,"time":20,"losses":{"a":2}}\n{"step":3,"time":30,"losses":{"a":3}}\n' +
        '{"step":2,"time":11,"losses":{"a":20}}\n{"step":3,"time":21,"losses":{"a":30}}\n',
    );
    expect(log.losses[0]).toEqual({ name: "a", steps: [1, 2, 3], values: [1, 20, 30] });
    expect(log.seconds).toBe(10 + 1 + 10);
  });
});

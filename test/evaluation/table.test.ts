import { describe, expect, it } from "vitest";
import { Confusion } from "../../src/evaluation/confusion.ts";
import { evaluationOfCams, evaluationOfLabels } from "../../src/evaluation/evaluation.ts";
import { perClassTable, renderMarkdown, renderText, summaryTable, sweepTable } from "../../src/evaluation/table.ts";
import { ThresholdSweep } from "../../src/evaluation/threshold-sweep.ts";

const classes = { ids: [0, 8, 12], names: ["background", "cat", "dog"] };
const truth = { width: 4, height: 1, data: Uint8Array.of(0, 1, 1, 0) };

function labelled() {
  const confusion = new Confusion(3);
  confusion.add({ ...truth, data: Uint8Array.of(0, 1, 0, 0) }, truth);
  return evaluationOfLabels(confusion, {
    classes,
    count: 1,
    label: "CSRM + dCRF",
    split: "val",
    tta: "none",
    crf: true,
  });
}

function swept() {
  const sweep = new ThresholdSweep(3, [0.1, 0.3, 0.5]);
  sweep.add({ classes: [1], scores: Float32Array.of(0.2, 0.4, 0.6, 0), width: 4, height: 1 }, truth);
  return evaluationOfCams(sweep, {
    classes,
    count: 1,
    method: "start",
    threshold: 0.1,
    thresholdFrom: "best on train",
  });
}

describe("tables of evaluations", () => {
  it("print how a figure was made beside the figure", () => {
    const [header, rule, crf, cam] = renderText(summaryTable([labelled(), swept()])).split("\n") as string[];
    expect(header).toMatch(/split +images +threshold +TTA +CRF +mIoU/);
    expect(rule).toMatch(/^─+( {2}─+)+$/);
    expect(crf).toMatch(/^CSRM \+ dCRF +val +1 +– +none +yes +38\.9 +25\.0 +0\.0 +25\.0 +–$/);
    expect(cam).toMatch(/^start +– +1 +0\.1 \(best on train\) +not stated +not stated +38\.9 .* 66\.7 at 0\.3$/);
  });

  it("mark classes that the masks do not hold", () => {
    const rows = perClassTable([labelled()]).rows;
    expect(rows).toEqual([
      ["background", "66.7"],
      ["cat", "50.0"],
      ["dog", "0.0 (not in the masks)"],
      ["mean", "38.9"],
    ]);
  });

  it("mark the best threshold of a sweep", () => {
    expect(sweepTable(swept()).rows.map((row) => row[0])).toEqual(["0.1", "0.3 *", "0.5"]);
    expect(sweepTable(labelled()).rows).toEqual([]);
  });

  it("become Markdown with escaped bars", () => {
    expect(renderMarkdown({ header: ["a", "b"], rows: [["x|y", "1"]] })).toBe("| a | b |\n|---|---:|\n| x\\|y | 1 |");
  });
});

/** One folder for all temporary files of a test run, gone at its end: networks and checkpoints of many runs would fill a disk. */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

export default function setup(): () => void {
  const folder = mkdtempSync(path.join(realpathSync(tmpdir()), "csrm-tests-"));
  // The processes that run the tests, and what they start, look here.
  process.env.TMPDIR = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}

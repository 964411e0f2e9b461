/** A folder for the temporary files of each test file, gone at its end: those of a whole test run together would fill a disk. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll } from "vitest";

const before = process.env.TMPDIR;
const folder = mkdtempSync(path.join(tmpdir(), "file-"));
process.env.TMPDIR = folder;
// Hooks of the end run from the last one back, so this follows those of the file itself.
afterAll(() => {
  process.env.TMPDIR = before;
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

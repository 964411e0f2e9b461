import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { generate, generatedFile } from "../../scripts/generate-ops.ts";
import { runtimeInfo } from "../../src/torch/index.ts";

const committed = readFileSync(generatedFile, "utf8");

// Newer schemas have more optional arguments; the committed types come from the oldest supported version.
it.skipIf(!committed.includes(`// libtorch ${runtimeInfo().libtorch}\n`))(
  "the operators' generated types are what the generator writes",
  () => expect(generate()).toBe(committed),
);

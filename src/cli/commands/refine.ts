/** `csrm refine`: finished label maps made better, by the photographs' colours or by the outlines of objects. */
import type { Command } from "commander";
import { registerCrf } from "../refine/crf.ts";
import { registerRegions } from "../refine/regions.ts";
import { registerSam } from "../refine/sam.ts";

export function register(program: Command): void {
  const refine = program.command("refine").description("Refines finished label maps.");
  registerCrf(refine);
  registerSam(refine);
  registerRegions(refine);
}

/** `csrm doctor`: what is installed, what is wrong and how to mend it. */
import type { Command } from "commander";
import { cpuInfo, packageVersion } from "../../environment.ts";
import {
  attempt,
  type Check,
  checkAddon,
  checkBlas,
  checkCpu,
  checkDisk,
  checkGpus,
  checkLibtorch,
  checkNode,
  checkProcesses,
  checkSameLibtorch,
  checkSharp,
  checkThreads,
  hasNvidiaDriver,
  locateLibtorch,
} from "../doctor-checks.ts";
import { JSON_OPTION, print, printJson } from "../output.ts";

export function register(program: Command): void {
  program
    .command("doctor")
    .description(
      "Tells what csrm finds on this machine, what is wrong and how to mend it. Exit code 1 when csrm cannot work.",
    )
    .option(...JSON_OPTION)
    .action(async ({ json = false }: { json?: boolean }) => {
      const checks = await examine();
      if (json) printJson({ csrm: packageVersion(), ok: isHealthy(checks), checks });
      else print(asText(checks));
      if (!isHealthy(checks)) process.exitCode = 1;
    });
}

/** All checks, in the order in which things are to be mended. */
export async function examine(): Promise<Check[]> {
  const libtorch = await locateLibtorch();
  // Imported here and not above: where the addon does not load, that is what doctor has to tell.
  const torch = await attempt(() => import("../../torch/index.ts"));
  const addon = "error" in torch ? torch : await attempt(async () => torch.value.runtimeInfo());
  const noKernels = (device: string) => ("error" in torch ? null : torch.value.whyNoGpuKernels(device));
  const sharp = await attempt(async () => (await import("sharp")).default.versions);
  const cpu = cpuInfo();
  return [
    checkNode(process.version),
    checkLibtorch(libtorch),
    ...checkBlas(libtorch),
    checkAddon(addon),
    ...checkSameLibtorch(libtorch, addon),
    checkSharp(sharp),
    checkCpu(cpu, addon),
    checkThreads(cpu, addon),
    checkGpus(libtorch, addon, hasNvidiaDriver(), noKernels),
    ...checkProcesses(libtorch, addon),
    checkDisk(process.cwd()),
  ];
}

export function isHealthy(checks: readonly Check[]): boolean {
  return checks.every((check) => check.state !== "fail");
}

/** One line a check, its remedy indented below. */
export function asText(checks: readonly Check[]): string {
  const marks = { ok: "ok  ", info: "    ", warn: "warn", fail: "FAIL" } satisfies Record<Check["state"], string>;
  const width = Math.max(...checks.map((check) => check.name.length));
  const lines = checks.flatMap(({ name, state, detail, fix }) => [
    `${marks[state]}  ${name.padEnd(width)}  ${detail}`,
    ...(fix ?? "").split("\n").flatMap((line) => (line === "" ? [] : [`${" ".repeat(width + 8)}→ ${line.trim()}`])),
  ]);
  lines.push(
    isHealthy(checks) ? "csrm can work here." : "csrm cannot work here before the lines marked FAIL are mended.",
  );
  return lines.join("\n");
}

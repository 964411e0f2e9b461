/** Arithmetic of Segment Anything's image encoder, as an option of a command. */
import { type Command, Option } from "commander";
import { cpuHasBf16 } from "../torch/index.ts";

export type PrecisionFlag = "auto" | "fp32" | "bf16";

/** Adds --precision. */
export function withPrecision(command: Command): Command {
  return command.addOption(
    new Option("--precision <p>", "arithmetic of the image encoder; auto: bf16 where the hardware has it")
      .choices(["auto", "fp32", "bf16"])
      .default("auto"),
  );
}

export function encoderPrecision(flag: PrecisionFlag, device: string): "fp32" | "bf16" {
  if (flag !== "auto") return flag;
  return device.startsWith("cuda") || cpuHasBf16() ? "bf16" : "fp32";
}

/** The command line: global options, the list of commands, and loading of the one that is asked for. */
import { Command } from "commander";
import { packageVersion } from "../environment.ts";
import { type CommandEntry, commands } from "./commands.ts";

/**
 * Parses the arguments and runs the command.
 * Only the command asked for is loaded: `csrm doctor` must work where the native addon does not, and --help should not wait for libtorch.
 * @throws CommanderError for wrong use (its message is printed already), or what the command throws
 */
export async function runCommand(args: readonly string[]): Promise<void> {
  const program = await createProgram(requested(args));
  await program.parseAsync(args, { from: "user" });
}

/** The program with one command loaded, the others known by name and summary only. */
export async function createProgram(wanted?: CommandEntry): Promise<Command> {
  const program = new Command("csrm")
    .description("Weakly supervised semantic segmentation: images plus tags in, pixel masks and a trained network out")
    .version(packageVersion(), "-V, --version", "print the version")
    .option("--debug", "show stack traces of errors (also CSRM_DEBUG=1)")
    .exitOverride()
    .showHelpAfterError("(add --help for usage)");
  for (const entry of commands) {
    if (entry !== wanted) {
      program.command(entry.name).summary(entry.summary).helpOption(false);
      continue;
    }
    const { register } = await entry.load();
    register(program);
    program.commands.find((command) => command.name() === entry.name)?.summary(entry.summary);
  }
  return program;
}

/** The command that the arguments name, also as `csrm help NAME`. */
function requested(args: readonly string[]): CommandEntry | undefined {
  const operands = args.filter((arg) => !arg.startsWith("-"));
  const name = operands[0] === "help" ? operands[1] : operands[0];
  return commands.find((entry) => entry.name === name);
}

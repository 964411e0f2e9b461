/** Standard output: figures as text, or as JSON alone with --json. Progress and notes go to stderr. */

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** The description of --json on every command that has it. */
export const JSON_OPTION = ["--json", "print JSON on stdout, and nothing else there"] as const;

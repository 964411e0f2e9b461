/** A process that measures on request: a line of JSON in, a line of JSON out, one request at a time. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { CsrmError } from "../../src/errors.ts";

export type Answer = Record<string, unknown>;

export class Measurer implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  readonly #name: string;
  #complaints = "";

  constructor(name: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.#name = name;
    this.#child = spawn(command, args, { env, stdio: ["pipe", "pipe", "pipe"] });
    // That it could not be started or has ended shows where its answer is awaited.
    this.#child.on("error", (error) => {
      this.#complaints += String(error);
    });
    this.#child.stdin.on("error", () => {});
    this.#child.stderr.on("data", (chunk) => {
      this.#complaints = (this.#complaints + chunk).slice(-4000);
    });
    this.#reader = createInterface({ input: this.#child.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** @throws CsrmError with the process' complaint when it cannot do it or has ended */
  async ask(request: Record<string, unknown>): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) {
      throw new CsrmError(
        `${this.#name} ended at ${JSON.stringify(request)}: ${this.#complaints.trim() || "no message"}`,
      );
    }
    const answer = JSON.parse(value) as Answer;
    if (answer.error !== undefined) throw new CsrmError(`${this.#name}: ${answer.error}`);
    return answer;
  }

  /** The same, for a number of the answer. */
  async number(request: Record<string, unknown>, name = "seconds"): Promise<number> {
    const value = (await this.ask(request))[name];
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw new CsrmError(`${this.#name} answered ${JSON.stringify(value)} as ${name} of ${JSON.stringify(request)}`);
  }

  /** Ends the process and waits for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader.close();
    this.#child.stdin.end();
    if (this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill();
    await once(this.#child, "exit");
  }
}

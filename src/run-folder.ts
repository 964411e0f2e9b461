/**
 * A run folder: config.yaml, environment.json, summary.json and a folder a stage. Opening it with the same recipe again goes on where it
 * stopped; with another recipe it is an error that shows the difference.
 */
import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { collectEnvironment } from "./environment.ts";
import { CsrmError, messageOf } from "./errors.ts";
import { isTemporary, writeFileAtomicSync } from "./files.ts";
import { isLock, lockFile, lockFolder, type RunLock } from "./run-lock.ts";
import { makeFolder, readJson, Stage, type StageName, writeJson } from "./run-stage.ts";
import { isTree, readYamlMapping, type Tree } from "./training/config/layers.ts";
import { diffRecipes, dumpRecipe, loadRecipe, type Recipe, recipeSchema } from "./training/config.ts";

export interface OpenRunOptions {
  out: string;
  recipe: Recipe;
  /** What is moved together with the run, e.g. the folder of its experiment (default: the run alone). */
  home?: string;
  /** Move what is there aside to OUT.old-<time> and begin anew. */
  fresh?: boolean;
  /** Moves this stage of the run aside alone, to OUT/<stage>.old-<time>, to do it anew. */
  freshStage?: StageName;
  /** Facts of this session for environment.json, e.g. {threads: 2, precision: "bf16"}. */
  facts?: Readonly<Record<string, unknown>>;
  commandLine?: readonly string[];
  /** Told what a person should know, e.g. where the old folder went. */
  note?: (text: string) => void;
  now?: () => Date;
}

/**
 * Opens RUN for work: makes it, or checks that it belongs to the same recipe, and locks it until `close` or the process's end.
 * @throws CsrmError (code "config") listing how the recipes differ, unless there are no results yet; (code "locked") when another process is at work there;
 * (code "file") when OUT is a folder of something else
 */
export function openRun(options: OpenRunOptions): Run {
  const { recipe, fresh = false, note = () => {}, now = () => new Date() } = options;
  const path = resolve(options.out);
  const stored = withInnerPaths(recipe, path, resolve(options.home ?? path));
  makeFolder(path);
  let lock = lockFolder(path, note);
  try {
    const state = stateOf(path);
    if (state === "foreign") {
      throw new CsrmError(`${path} holds files but no config.yaml, so it is no run folder; choose another --out`, {
        code: "file",
      });
    }
    if (state === "run" && fresh) {
      const old = moveAside(path, now());
      note(`kept the old run as ${old}`);
      lock.release();
      rmSync(lockFile(old), { force: true });
      makeFolder(path);
      lock = lockFolder(path, note);
    }
    const { freshStage } = options;
    const resumed = state === "run" && !fresh && goesOn(path, recipe, freshStage);
    if (freshStage !== undefined && existsSync(join(path, freshStage))) {
      note(`kept the old results as ${moveAside(join(path, freshStage), now())}`);
    }
    if (!resumed) writeFileAtomicSync(join(path, "config.yaml"), dumpRecipe(stored));
    recordSession(path, options, now());
    return new Run({ path, recipe, resumed, lock });
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** The recipe of a run folder, without opening it for work. @throws CsrmError when OUT is no run folder */
export function recipeOfRun(out: string): Recipe {
  const file = join(resolve(out), "config.yaml");
  if (!existsSync(file))
    throw new CsrmError(`no run folder at ${resolve(out)}: there is no config.yaml`, { code: "file" });
  return loadRecipe(file);
}

/** An open run folder. */
export class Run {
  /** Absolute. */
  readonly path: string;
  readonly recipe: Recipe;
  /** Whether there was a run of this recipe here before. */
  readonly resumed: boolean;
  readonly #lock: RunLock;

  constructor(fields: { path: string; recipe: Recipe; resumed: boolean; lock: RunLock }) {
    this.path = fields.path;
    this.recipe = fields.recipe;
    this.resumed = fields.resumed;
    this.#lock = fields.lock;
  }

  /** A run that another process has opened, to work in it together: nothing is locked. */
  static ofAnother(out: string, recipe: Recipe): Run {
    return new Run({ path: resolve(out), recipe, resumed: true, lock: { release() {} } });
  }

  /** The same run with a recipe for this process, e.g. another device. */
  as(recipe: Recipe): Run {
    return new Run({ path: this.path, recipe, resumed: this.resumed, lock: this.#lock });
  }

  /** The folder of a stage, made where absent. */
  stage(name: StageName): Stage {
    const path = join(this.path, name);
    return new Stage(name, path);
  }

  writeSummary(summary: Readonly<Record<string, unknown>>): void {
    writeJson(join(this.path, "summary.json"), summary);
  }

  get reportFile(): string {
    return join(this.path, "report.html");
  }

  close(): void {
    this.#lock.release();
  }
}

function stateOf(path: string): "empty" | "run" | "foreign" {
  const names = readdirSync(path).filter((name) => !isBookkeeping(name));
  if (names.length === 0) return "empty";
  return names.includes("config.yaml") ? "run" : "foreign";
}

/** What an interrupted start leaves, the lock and temporary files, is nobody's property. */
function isBookkeeping(name: string): boolean {
  return isLock(name) || isTemporary(name);
}

/** The recipe as config.yaml has it: a data set that is moved together with the run is told from there, so that both may be moved. */
function withInnerPaths(recipe: Recipe, run: string, home: string): Recipe {
  const { root } = recipe.data;
  if (root === null || !resolve(root).startsWith(home + sep)) return recipe;
  return { ...recipe, data: { ...recipe.data, root: relative(run, root) } };
}

/** Keys that nothing reads before a stage: they may change as long as it has no results; null: always. */
const READ_LATE: readonly [keys: RegExp, stage: StageName | null][] = [
  [/^(predict|refine)\.|^data\.(lists\.score|masks)/, "predict"],
  // The first names what a submission is made of; with the others predictions are made anew wherever they differ, from the same network.
  [/^verify\.(test:|predict\.)/, null],
  [/^verify\./, "verify"],
];

/** How a recipe differs from that of a run folder, as diffRecipes tells it. @param recipe with absolute paths */
export function differencesToRun(run: string, recipe: Recipe): string[] {
  const stored = readYamlMapping(join(run, "config.yaml"));
  const root = rootIn(stored);
  const data = isTree(stored.data) && root !== null ? { ...stored.data, root: resolve(run, root) } : stored.data;
  return recipeDifferences({ ...stored, data }, recipe);
}

/** data.root as config.yaml has it. */
function rootIn({ data }: Tree): string | null {
  return isTree(data) && typeof data.root === "string" ? data.root : null;
}

/** How a recipe differs from one that a YAML file holds, as diffRecipes tells it. */
export function recipeDifferences(stored: Tree, recipe: Recipe): string[] {
  return diffRecipes(withNewKeys(stored), JSON.parse(JSON.stringify(recipe)));
}

/** How the recipes of two run folders differ, seed included; a data set inside of its run is in the same place in both. */
export function differencesOfRuns(a: string, b: string): string[] {
  const [from, to] = [a, b].map((run) => {
    const stored = withNewKeys(readYamlMapping(join(run, "config.yaml")));
    const root = rootIn(stored);
    return isTree(stored.data) && root !== null
      ? { ...stored, data: { ...stored.data, root: seenFrom(run, root) } }
      : stored;
  });
  return diffRecipes(from!, to!);
}

/** A place inside of a run as seen from there, any other as an absolute path. */
function seenFrom(run: string, root: string): string {
  const inside = relative(run, resolve(run, root));
  return inside.startsWith("..") ? resolve(run, root) : inside;
}

/** A stored recipe with the defaults of keys that came after it: a new key's default is what was done before there was the key. */
function withNewKeys(stored: Tree): Tree {
  const filled = recipeSchema.safeParse(stored);
  return filled.success ? JSON.parse(JSON.stringify(filled.data)) : stored;
}

/**
 * Whether the run there is of the same recipe, but for keys that no stage has read so far or that may change at any time. A start of another that came to nothing, e.g.
 * for a misspelt file, is cleared away.
 * @param freshStage a stage whose results will not stay
 */
function goesOn(path: string, recipe: Recipe, freshStage?: StageName): boolean {
  const differences = differencesToRun(path, recipe);
  if (differences.length === 0) return true;
  const unread = (line: string) =>
    READ_LATE.some(
      ([keys, stage]) => keys.test(line) && (stage === null || stage === freshStage || hasNoResults(join(path, stage))),
    );
  if (differences.every(unread)) {
    const file = join(path, "config.yaml");
    // The data set is the same, and told from the folder that it is moved with, which only the one who began the run may know.
    const data = { ...recipe.data, root: rootIn(readYamlMapping(file)) };
    writeFileAtomicSync(file, dumpRecipe({ ...recipe, data }));
    return true;
  }
  if (hasNoResults(path)) {
    rmSync(join(path, "environment.json"), { force: true });
    return false;
  }
  const fix = differences.every((line) => /^verify\./.test(line))
    ? "say csrm verify --fresh to do this stage anew and keep the old one aside"
    : "choose another --out, or say --fresh to begin anew and keep the old run aside";
  throw otherConfiguration(path, differences, fix);
}

/** @param differences as `recipeDifferences` gives them @param fix what to do */
export function otherConfiguration(path: string, differences: readonly string[], fix: string): CsrmError {
  const list = differences.map((line) => `  ${line}\n`).join("");
  return new CsrmError(`${path} was made with another configuration (there → now):\n${list}${fix}`, {
    code: "config",
  });
}

function hasNoResults(path: string): boolean {
  if (!existsSync(path)) return true;
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory());
  return files.every(({ name }) => isBookkeeping(name) || ABOUT_THE_RUN.includes(name));
}

/** What a run folder has before anything came of it. */
const ABOUT_THE_RUN = ["config.yaml", "environment.json", "report.html"];

function moveAside(path: string, now: Date): string {
  const stamp = now.toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  let old = `${path}.old-${stamp}`;
  for (let i = 2; existsSync(old); i++) old = `${path}.old-${stamp}-${i}`;
  try {
    renameSync(path, old);
  } catch (error) {
    throw new CsrmError(`cannot move ${path} to ${old}: ${messageOf(error)}`, { code: "file", cause: error });
  }
  return old;
}

/** environment.json tells of the session that began the run; later ones are listed under "resumed". */
function recordSession(path: string, options: OpenRunOptions, now: Date): void {
  const file = join(path, "environment.json");
  const session = {
    started: now.toISOString(),
    command: options.commandLine ?? ["csrm", ...process.argv.slice(2)],
    seed: options.recipe.seed,
    ...options.facts,
    ...collectEnvironment(),
  };
  const before = existsSync(file) ? readJson(file) : null;
  const resumed = before !== null && Array.isArray(before.resumed) ? (before.resumed as unknown[]) : [];
  writeJson(file, before === null ? { ...session, resumed } : { ...before, resumed: [...resumed, session] });
}

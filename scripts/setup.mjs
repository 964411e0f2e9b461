/**
 * Makes a checkout ready to run: libtorch and a compiler (apt), npm packages, the native addon, dist/.
 * Run first by `npm test` and `npm run demo`. Idempotent and quick when nothing is missing; `--plan` only prints what it would do.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { findLibtorch, LibtorchError, usesReferenceBlas } from "./libtorch.mjs";
import { packagesState, planSetup } from "./setup-plan.mjs";

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const BUILD_STAMP = path.join(ROOT, "dist/.sources");

const handlers = { apt: installSystemPackages, npm: installNpmPackages, native: buildNative, build: buildDist };

const plan = planSetup(gatherFacts());
if (plan.problem) fail(plan.problem);
if (process.argv.includes("--plan")) {
  console.log(JSON.stringify(plan.actions, null, 2));
} else {
  for (const note of plan.notes) say(note);
  for (const action of plan.actions) handlers[action.kind](action);
}

function gatherFacts() {
  const libtorch = { error: null, missing: false };
  let slowBlas = false;
  let noGloo = false;
  try {
    const found = findLibtorch();
    slowBlas = usesReferenceBlas(found);
    noGloo = found.source === "system" && !found.gloo;
  } catch (error) {
    if (!(error instanceof LibtorchError)) throw error;
    libtorch.error = error.message;
    libtorch.missing = error.missing;
  }
  const compiler = process.env.CXX ? true : onPath("g++");
  const complete = !libtorch.missing && compiler && !slowBlas && !noGloo;
  return {
    node: process.version,
    libtorch,
    slowBlas,
    noGloo,
    compiler,
    apt: onPath("apt-get"),
    privilege: complete ? null : privilege(),
    packages: packagesState(textOf("package-lock.json"), textOf("node_modules/.package-lock.json")),
    sources: sourcesState(),
  };
}

function privilege() {
  if (process.getuid?.() === 0) return "root";
  return onPath("sudo") && spawnSync("sudo", ["-n", "true"], { stdio: "ignore" }).status === 0 ? "sudo" : null;
}

function onPath(program) {
  return (process.env.PATH ?? "").split(path.delimiter).some((folder) => existsSync(path.join(folder, program)));
}

function textOf(file) {
  const full = path.join(ROOT, file);
  return existsSync(full) ? readFileSync(full, "utf8") : null;
}

function sourcesState() {
  if (!existsSync(path.join(ROOT, "src"))) return "absent";
  const built = existsSync(BUILD_STAMP) ? readFileSync(BUILD_STAMP, "utf8") : null;
  return built === sourcesFingerprint() ? "current" : "changed";
}

/** Names, sizes and dates of everything tsc reads: enough to see a change, and done in milliseconds. */
function sourcesFingerprint() {
  const files = readdirSync(path.join(ROOT, "src"), { recursive: true }).map((name) => path.join("src", String(name)));
  const hash = createHash("sha256");
  for (const name of [...files, "tsconfig.json", "tsconfig.build.json"].sort()) {
    const stat = statSync(path.join(ROOT, name), { throwIfNoEntry: false });
    if (stat?.isFile()) hash.update(`${name}\0${stat.size}\0${stat.mtimeMs}\n`);
  }
  return hash.digest("hex");
}

function installSystemPackages({ packages, sudo, optional }) {
  const apt = (...args) => {
    const command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", ...args];
    return sudo ? ["sudo", "-n", ...command] : command;
  };
  say(`installing ${packages.join(", ")} with apt-get (once, some minutes)`);
  const commands = [apt("update", "-q"), apt("install", "-y", "-q", "--no-install-recommends", ...packages)];
  if (optional) {
    // Works without, only slower: being offline must not stop anybody.
    const failed = commands.map(attempt).find((error) => error !== null);
    if (failed) say(`going on without ${packages.join(", ")}: ${failed}`);
    return;
  }
  commands.forEach(run);
  try {
    findLibtorch();
  } catch (error) {
    fail(error.message);
  }
}

function installNpmPackages({ reason }) {
  say(`npm packages are ${reason}: npm ci`);
  run(["npm", "ci", "--include=dev", "--no-audit", "--no-fund", "--prefer-offline"]);
}

function buildNative() {
  run([process.execPath, "scripts/build-native.mjs"]);
}

function buildDist() {
  // Taken before the build: a source saved while tsc runs is built again next time.
  const fingerprint = sourcesFingerprint();
  say("building dist/");
  run(["npm", "run", "--silent", "build"]);
  chmodSync(path.join(ROOT, "dist/cli/main.js"), 0o755);
  writeFileSync(BUILD_STAMP, fingerprint);
}

function run(command) {
  const failed = attempt(command);
  if (failed) fail(failed);
}

/** Runs a command with its output on stderr; null, or what went wrong. */
function attempt(command) {
  const { status, error } = spawnSync(command[0], command.slice(1), {
    cwd: ROOT,
    stdio: ["ignore", process.stderr.fd, process.stderr.fd],
  });
  if (status === 0) return null;
  return `\`${command.join(" ")}\` failed (${error ? error.message : `exit code ${status}`})`;
}

function say(text) {
  process.stderr.write(`set-up: ${text}\n`);
}

function fail(text) {
  process.stderr.write(`set-up: ${text}\n`);
  process.exit(1);
}

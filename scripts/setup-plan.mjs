/**
 * Decides what the set-up has to do. Pure: facts about the machine in, actions or a problem out, so that every case can be tested
 * without the machine it is about.
 */
import { LIBTORCH_WAYS } from "./libtorch.mjs";

/** Debian's libtorch is content with the reference BLAS, so a fast one is asked for by name. It shares libtorch's OpenMP threads. */
export const FAST_BLAS = "libopenblas0-openmp";

/** Headers of Gloo, which Debian's libtorch was built with: for training in several processes. */
export const GLOO = "libgloo-dev";

const OLDEST_NODE = [20, 19];

/**
 * @param {import("./setup-plan.d.mts").Facts} facts
 * @returns {import("./setup-plan.d.mts").Plan} actions in the order they are to be run, or the one problem that a person has to mend
 */
export function planSetup(facts) {
  if (!nodeIsNewEnough(facts.node)) {
    return problem(
      `csrm needs Node ${OLDEST_NODE.join(".")} or newer, this is ${facts.node}: install one from https://nodejs.org`,
    );
  }
  // A libtorch that was asked for by name, or is too old, is not mended by installing another beside it.
  if (facts.libtorch.error && !facts.libtorch.missing) return problem(facts.libtorch.error);

  const packages = [];
  const notes = [];
  if (facts.libtorch.missing) packages.push("libtorch-dev", FAST_BLAS, GLOO);
  if (!facts.compiler) packages.push("g++");
  const actions = [];
  const mayInstall = facts.apt && facts.privilege !== null;
  const sudo = facts.privilege === "sudo";
  if (packages.length > 0) {
    if (!mayInstall) return problem(cannotInstall(packages, facts));
    actions.push({ kind: "apt", packages, sudo, optional: false });
  }
  if (facts.slowBlas) {
    if (mayInstall) actions.push({ kind: "apt", packages: [FAST_BLAS], sudo, optional: true });
    else notes.push(`matrix products are slow with the reference BLAS; better: apt-get install ${FAST_BLAS}`);
  }
  // Without it all else works, so nobody who may not install is bothered; `csrm doctor` tells.
  if (facts.noGloo && mayInstall) actions.push({ kind: "apt", packages: [GLOO], sudo, optional: true });
  if (facts.packages !== "current" && facts.packages !== "none needed")
    actions.push({ kind: "npm", reason: facts.packages });
  actions.push({ kind: "native" });
  if (facts.sources === "changed") actions.push({ kind: "build" });
  return { actions, notes, problem: null };
}

/**
 * Compares the lock file with what npm wrote down when it installed node_modules.
 * Only contents count: a checkout that touches the lock file's date installs nothing.
 * @param {string | null} lock package-lock.json
 * @param {string | null} installed node_modules/.package-lock.json
 * @returns {import("./setup-plan.d.mts").PackagesState}
 */
export function packagesState(lock, installed) {
  if (lock === null) return "none needed";
  if (installed === null) return "missing";
  const wanted = JSON.parse(lock).packages;
  const present = JSON.parse(installed).packages;
  for (const [name, entry] of Object.entries(wanted)) {
    if (name === "") continue;
    const skippedForPlatform = entry.optional && present[name] === undefined;
    if (!skippedForPlatform && present[name]?.version !== entry.version) return "outdated";
  }
  return "current";
}

function problem(text) {
  return { actions: [], notes: [], problem: text };
}

function nodeIsNewEnough(version) {
  const [major, minor] = version.replace(/^v/, "").split(".").map(Number);
  return major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
}

function cannotInstall(packages, facts) {
  const what = [
    ...(packages.includes("libtorch-dev") ? ["libtorch (the C++ core of PyTorch)"] : []),
    ...(packages.includes("g++") ? ["a C++ compiler (g++, or another one named in CXX)"] : []),
  ].join(" and ");
  const why = facts.apt
    ? "this user is neither root nor allowed to run sudo without a password"
    : "there is no apt-get to install them with";
  const lines = [`csrm needs ${what}, not found here, and ${why}.`];
  if (facts.apt) lines.push(`Ask someone with root for:  apt-get update && apt-get install -y ${packages.join(" ")}`);
  else if (packages.includes("g++")) lines.push("Install a C++17 compiler with your system's package manager.");
  if (packages.includes("libtorch-dev")) lines.push(LIBTORCH_WAYS);
  lines.push("Then run the same command again.");
  return lines.join("\n");
}

/** The frame of a report: head, facts about the run, recipe and environment, and how markup becomes a page. */
import { classColour } from "./colours.ts";
import { duration, html, type Markup, raw } from "./format.ts";
import { type LiveState, reloading } from "./live.ts";
import { isObject, type Json, type RunData } from "./run-data.ts";
import { STYLE } from "./style.ts";

/** The report's document. @param live of a run that is at work: the page loads itself anew */
export function page(run: RunData, sections: readonly (Markup | null)[], live?: LiveState): string {
  const ids = run.evaluations[0]?.ids.slice(1) ?? Array.from({ length: 20 }, (_, i) => i + 1);
  return htmlDocument({ title: `${nameOf(run)} · CSRM report`, classes: ids, sections, live });
}

export interface DocumentOptions {
  title: string;
  /** Dataset ids whose colours make the band at the top. */
  classes: readonly number[];
  sections: readonly (Markup | null)[];
  live?: LiveState;
}

/** A whole HTML document in the report's style; it asks the network for nothing. */
export function htmlDocument({ title, classes, sections, live }: DocumentOptions): string {
  const reload = live && reloading(live);
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'${reload?.policy ?? ""}`;
  const ribbon = classes.map((id) => html`<i style="background:${classColour(id)}"></i>`);
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
${live && html`<noscript><meta http-equiv="refresh" content="${live.every}"></noscript>`}
<title>${title}</title><style>${raw(STYLE)}</style></head>
<body><div class="ribbon" aria-hidden="true">${ribbon}</div><main>
${sections}
</main>${reload?.tag}</body></html>
`.markup;
}

/** Recipe name and the facts that say where the figures come from; facts that the run folder lacks are left out. */
export function header(run: RunData): Markup {
  const facts = factsOf(run).filter((fact): fact is [string, string] => fact[1] !== null);
  return html`<header><p class="kicker">CSRM · weakly supervised segmentation</p><h1>${nameOf(run)}</h1>
<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl></header>`;
}

/** The resolved recipe and the environment, folded. */
export function recipeSection({ configText, environment, summary }: RunData): Markup | null {
  const blocks = [
    { title: "Recipe", text: configText },
    { title: "Environment", text: jsonText(environment) },
    { title: "Summary", text: jsonText(summary) },
  ].filter(({ text }) => text !== "");
  if (blocks.length === 0) return null;
  const folded = blocks.map(
    ({ title, text }) => html`<details><summary>${title}</summary><pre>${text}</pre></details>`,
  );
  return html`<section><h2>How it was made</h2>${folded}</section>`;
}

export function footer(): Markup {
  return html`<footer>Written by <code>csrm report</code>. Everything on this page is inside this file.</footer>`;
}

function nameOf({ config, dir }: RunData): string {
  return typeof config.name === "string" ? config.name : (dir.split(/[\\/]/).filter(Boolean).at(-1) ?? "run");
}

function factsOf(run: RunData): [string, string | null][] {
  const { environment: env, config, summary } = run;
  const seconds = typeof summary.seconds === "number" ? summary.seconds : stageSeconds(run);
  return [
    ["begun", textOf(env.started)?.slice(0, 16).replace("T", " ") ?? null],
    ["duration", seconds === null ? null : duration(seconds)],
    ["seed", textOf(env.seed ?? config.seed)],
    ["backbone", isObject(config.model) ? textOf(config.model.backbone) : null],
    ["git", gitText(textOf(env.git))],
    ["machine", isObject(env.cpu) ? `${textOf(env.cpu.model) ?? "?"}, ${textOf(env.cpu.cores) ?? "?"} cores` : null],
    // What follows the version is the folder it was found in.
    ["libtorch", textOf(env.libtorch)?.split(" (")[0] ?? null],
  ];
}

function stageSeconds({ stages }: RunData): number | null {
  const known = stages.flatMap(({ log }) => log.seconds ?? []);
  return known.length > 0 ? known.reduce((a, b) => a + b, 0) : null;
}

/** A commit as environment.json has it: "+" at its end means that files were changed. */
function gitText(git: string | null): string | null {
  return git && git.slice(0, 10) + (git.endsWith("+") ? " with changes" : "");
}

function textOf(value: unknown): string | null {
  return typeof value === "string" || typeof value === "number" ? String(value) : null;
}

function jsonText(value: Json): string {
  return Object.keys(value).length > 0 ? JSON.stringify(value, null, 2) : "";
}

/**
 * What a report has while its run is at work: how far it is, and a script that loads the page anew where the reader was. A killed run leaves such
 * a page behind, so the script also looks how old it is.
 */
import { createHash } from "node:crypto";
import type { TaskState } from "../observed-progress.ts";
import { rateText } from "../progress.ts";
import { duration, html, type Markup, raw } from "./format.ts";

/** The task at work when a page was written. */
export interface LiveState extends TaskState {
  written: Date;
  /** Seconds after which the page loads itself anew. */
  every: number;
}

/** The section at the top of a live page. */
export function liveSection({ label, done, total, unit, rate, secondsLeft, written, every }: LiveState): Markup {
  const fraction = total > 0 ? Math.min(1, done / total) : 1;
  const facts = [
    `${done.toLocaleString("en")} of ${total.toLocaleString("en")} ${unit}`,
    rate !== null && rateText(rate, unit),
    secondsLeft !== null && `${duration(secondsLeft)} left of this`,
  ].filter((fact) => fact !== false);
  return html`<section><div class="card"><div class="key s1"><b>At work: ${label}</b><strong>${Math.floor(100 * fraction)} %</strong>
<i style="width:${(100 * fraction).toFixed(1)}%"></i><small>${facts.join(" · ")} · as of ${asText(written)} UTC, \
renewed every ${duration(every)} while the run is at work</small><p id="silence" hidden="">No sign of life for <b></b>: this step takes long, or the run \
was killed. The command that began it goes on with it; csrm report writes the page of what is there.</p></div></div></section>`;
}

/** 2026-01-02 03:04:05 */
function asText(time: Date): string {
  return time.toISOString().slice(0, 19).replace("T", " ");
}

/** Milliseconds without a new page after which a reader should wonder: steps and photographs seldom take this long. */
const SILENCE = 300_000;

/** Says so when the page is old, and loads it anew; place and opened parts stay as the reader left them. */
function script({ written, every }: LiveState): string {
  return `
const age = Date.now() - ${written.getTime()};
if (age > ${Math.max(SILENCE, 4000 * every)}) {
  const silence = document.getElementById("silence");
  const minutes = Math.floor(age / 60000);
  silence.querySelector("b").textContent = minutes > 119 ? Math.floor(minutes / 60) + " hours" : minutes + " minutes";
  silence.hidden = false;
}
const key = "csrm " + location.pathname;
const parts = () => [...document.querySelectorAll("details")];
const before = JSON.parse(sessionStorage.getItem(key) ?? "null");
if (before) {
  for (const [i, part] of parts().entries()) if (before.open[i] !== undefined) part.open = before.open[i];
  scrollTo(0, before.top);
}
setTimeout(() => {
  sessionStorage.setItem(key, JSON.stringify({ top: scrollY, open: parts().map((part) => part.open) }));
  location.reload();
}, ${every * 1000});
`;
}

/** The script as markup, and the rule that lets this one alone run. */
export function reloading(live: LiveState): { tag: Markup; policy: string } {
  const code = script(live);
  const hash = createHash("sha256").update(code).digest("base64");
  return { tag: raw(`<script>${code}</script>`), policy: `; script-src 'sha256-${hash}'` };
}

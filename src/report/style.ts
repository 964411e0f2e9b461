/**
 * The look of a report: one style sheet, light and dark by the reader's setting, readable from a phone to a wide
 * screen.
 */

/** Colours of the series s0, s1, … on a light ground: grays for starting points (0, 8, 9), colours for what came of them. */
export const SERIES_COLOURS = [
  "#9b9fa6",
  "#2c64c9",
  "#d4681c",
  "#1e8f62",
  "#8a4bbd",
  "#c23a4b",
  "#0f8ea6",
  "#7a6a2f",
  "#c3c6cb",
  "#6f747c",
] as const;

const seriesVariables = () => SERIES_COLOURS.map((colour, i) => `--s${i}:${colour};`).join(" ");

export const STYLE = `
:root { color-scheme: light dark;
  --paper:#f7f5f0; --card:#fffefb; --ink:#1d2026; --muted:#6a6f78; --line:#e3dfd6; --soft:#efece4;
  ${seriesVariables()} --good:#1e7d4f; --bad:#b3392f; }
@media (prefers-color-scheme: dark) { :root {
  --paper:#131519; --card:#1a1d23; --ink:#e9e6df; --muted:#989da7; --line:#2d3138; --soft:#22262d;
  --s0:#7d838d; --s1:#6d9df2; --s2:#f0964f; --s3:#4fc794; --s4:#bd8be8; --s5:#ef7583; --s6:#4fc3d9; --s7:#c4b06a; --s8:#565c66; --s9:#a7adb7; --good:#5fcf97; --bad:#ee8277; } }
* { box-sizing:border-box; }
html { -webkit-text-size-adjust:100%; }
body { margin:0; background:var(--paper); color:var(--ink); font:16px/1.5 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Liberation Sans",Arial,sans-serif; font-variant-numeric:tabular-nums; }
main { max-width:1140px; margin:0 auto; padding:0 20px 72px; }
h1,h2 { font-family:"Iowan Old Style","Palatino Linotype",Palatino,"Book Antiqua",Georgia,"Liberation Serif",serif; font-weight:600; letter-spacing:-.01em; line-height:1.15; text-wrap:balance; }
h1 { font-size:clamp(2rem,5.5vw,3.1rem); margin:.1em 0 .35em; overflow-wrap:anywhere; }
h2 { font-size:1.65rem; margin:2.6em 0 .2em; }
h3 { font-size:1rem; font-weight:600; margin:0 0 .6em; }
h3 small, .note { color:var(--muted); font-weight:400; }
p { max-width:68ch; margin:.2em 0 1.1em; }
.note { font-size:.9rem; }
.ribbon { display:flex; height:7px; }
.ribbon i { flex:1; }
header { padding:34px 0 4px; }
.kicker { text-transform:uppercase; letter-spacing:.14em; font-size:.74rem; color:var(--muted); margin:0; }
dl.facts { display:flex; flex-wrap:wrap; gap:10px 34px; margin:0; }
dl.facts dt { font-size:.74rem; color:var(--muted); letter-spacing:.03em; }
dl.facts dd { margin:0; font-size:.95rem; overflow-wrap:anywhere; }
.cards { display:grid; gap:16px; grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr)); align-items:start; }
.cards.small { grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr)); }
.card { background:var(--card); border:1px solid var(--line); border-radius:12px; padding:16px 18px; min-width:0; }
.card > svg.chart { max-width:560px; }
svg.chart { display:block; width:100%; height:auto; font:11.5px ui-sans-serif,system-ui,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif; font-variant-numeric:tabular-nums; overflow:visible; }
svg .grid { stroke:var(--line); stroke-width:1; }
svg .axis { stroke:var(--muted); stroke-width:1; opacity:.6; }
svg .tick, svg .axis-label { fill:var(--muted); }
svg .legend, svg .name { fill:var(--ink); }
svg .value { fill:var(--muted); font-size:10.5px; }
svg .line { fill:none; stroke:var(--c); stroke-width:2; stroke-linejoin:round; stroke-linecap:round; }
svg .line.whisker { stroke-width:1.2; opacity:.7; }
svg .line.faint { stroke-width:1; opacity:.28; }
svg .dot { fill:var(--c); stroke:var(--card); stroke-width:1.5; }
svg .bar { fill:var(--c); }
svg .chip { stroke:var(--line); stroke-width:1; }
${[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => `.s${i} { --c:var(--s${i}); }`).join(" ")}
table { border-collapse:collapse; width:100%; }
th,td { padding:.42em .7em; border-bottom:1px solid var(--line); text-align:right; white-space:nowrap; font-weight:400; }
th:first-child,td:first-child { text-align:left; padding-left:0; }
th:last-child,td:last-child { padding-right:0; }
tr:last-child > * { border-bottom:0; }
thead th { color:var(--muted); font-size:.82rem; vertical-align:bottom; }
tbody th { font-weight:500; }
figure { margin:0; }
td.text, th.text { text-align:left; }
td.long { white-space:normal; min-width:10em; line-height:1.35; }
.scroll { overflow-x:auto; -webkit-overflow-scrolling:touch; }
.scroll table { font-size:.92rem; }
td.best { font-weight:650; }
.key { display:grid; grid-template-columns:1fr auto auto; align-items:baseline; column-gap:12px; padding:10px 0 8px; border-top:1px solid var(--line); }
h3 + .key { border-top:0; padding-top:0; }
.key:last-child { padding-bottom:0; }
.key b { font-weight:500; }
.key strong { grid-column:3; min-width:3.2ch; text-align:right; font-size:1.35rem; font-weight:600; letter-spacing:-.01em; }
.key i { grid-column:1/-1; height:7px; border-radius:4px; background:var(--c); margin:3px 0 5px; }
.key small { grid-column:1/-1; color:var(--muted); font-size:.8rem; line-height:1.35; }
.gain { color:var(--good); font-size:.9rem; } .gain.loss { color:var(--bad); }
.chip { display:inline-block; width:.8em; height:.8em; border-radius:3px; margin-right:.5em; border:1px solid var(--line); vertical-align:-.04em; }
.legend-row { display:flex; flex-wrap:wrap; gap:4px 18px; font-size:.88rem; margin:.2em 0 1em; }
.gallery { display:grid; gap:6px; overflow-x:auto; grid-template-columns:repeat(var(--columns),minmax(132px,1fr)); margin:0 0 26px; }
.gallery b { font-size:.84rem; font-weight:500; color:var(--muted); padding:2px 0; }
.gallery img { display:block; width:100%; height:auto; border-radius:6px; background:var(--soft); }
.gallery .absent { border:1px dashed var(--line); border-radius:6px; min-height:60px; }
details { margin:14px 0; }
summary { cursor:pointer; color:var(--muted); padding:.35em 0; }
summary:hover, summary:focus-visible { color:var(--ink); }
pre { background:var(--card); border:1px solid var(--line); border-radius:12px; padding:16px 18px; overflow-x:auto; font:12.5px/1.55 ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace; }
footer { margin-top:64px; padding-top:14px; border-top:1px solid var(--line); color:var(--muted); font-size:.85rem; }
@media (max-width:560px) { main { padding:0 14px 48px; } .card { padding:14px; } h2 { margin-top:2em; } }
@media print { body { background:#fff; } .card { break-inside:avoid; } }
`.trim();

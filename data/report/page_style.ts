import { DARK, figureStyle, LIGHT, type Palette } from "./figure.ts";

/** Style sheet of the page: light or dark as the reader's system is, light on paper, one column on narrow screens. */
export function pageStyle(): string {
  return `:root{color-scheme:light dark;${variables(LIGHT)}}
@media (prefers-color-scheme:dark){:root{${variables(DARK)}}}
@media print{:root{color-scheme:light;${variables(LIGHT)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--text);font:16px/1.5 system-ui,"Helvetica Neue",Arial,sans-serif}
main{max-width:1080px;margin:0 auto;padding:24px 20px 48px}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:40px 0 12px;padding-top:10px;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:0 0 8px}
p{margin:0 0 12px;max-width:72ch}
.muted,footer,caption{color:var(--muted)}
footer{margin-top:40px;font-size:.85rem}
.numbers{display:grid;grid-template-columns:repeat(auto-fill,minmax(220px,1fr));gap:10px;margin:16px 0}
.numbers div{border:1px solid var(--line);border-radius:6px;padding:8px 12px;display:flex;flex-direction:column-reverse;justify-content:flex-end}
.numbers dt{color:var(--muted);font-size:.85rem;line-height:1.3}
.numbers dd{margin:0;font-size:1.35rem;font-weight:600}
.pairs{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:32px 40px}
.columns{columns:2 400px;column-gap:40px}
.columns figure{break-inside:avoid;padding-bottom:28px}
.pairs figure,.columns figure{margin:0;min-width:0}
svg.figure{display:block;width:100%;height:auto;max-width:500px}
.sheet{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:16px}
.sheet figure{margin:0;min-width:0}
.sheet img,.sheet .unreadable{display:block;width:100%;max-width:510px;height:auto;background:#000}
.sheet .unreadable{aspect-ratio:3;background:none;border:1px dashed var(--muted);padding:8px}
.sheet figcaption{font-size:.85rem;color:var(--muted);overflow-wrap:anywhere}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem;margin:4px 0 12px;max-width:100%}
caption{text-align:left;padding-bottom:4px}
th,td{text-align:left;vertical-align:top;padding:3px 14px 3px 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
th{font-weight:600;white-space:nowrap}
.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
@media (max-width:600px){.numbers{grid-template-columns:repeat(auto-fill,minmax(130px,1fr))}main{padding:16px 14px 32px}}
details{margin:6px 0}
summary{cursor:pointer;color:var(--muted);font-size:.9rem}
${figureStyle((name) => `var(--${name})`)}
@media print{
@page{margin:15mm}
body{font-size:10.5pt}
main{max-width:none;padding:0}
figure,tr,.numbers div{break-inside:avoid}
h2,h3{break-after:avoid}
.pairs{grid-template-columns:1fr 1fr;gap:20px 28px}
.columns{columns:2;column-gap:28px}
.numbers{grid-template-columns:repeat(4,1fr)}
.sheet{grid-template-columns:1fr 1fr}
details:not([open]){display:none}
.bar,.sheet img{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}`;
}

function variables(palette: Palette): string {
  return Object.entries(palette).map(([name, value]) => `--${name}:${value}`).join(";");
}

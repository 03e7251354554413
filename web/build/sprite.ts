/** One sprite with the icons of the page, in the document itself: a row draws an icon with one `<use>`. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Plugin } from "vite";
import { ICONS } from "../src/components/icons.ts";

const folder = join(dirname(createRequire(import.meta.url).resolve("lucide-static/package.json")), "icons");

function symbol(id: string, icon: string): string {
  const svg = readFileSync(join(folder, `${icon}.svg`), "utf8");
  const shapes = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));
  return `<symbol id="icon-${id}" viewBox="0 0 24 24">${shapes.replace(/\s*\n\s*/g, "")}</symbol>`;
}

export function sprite(): Plugin {
  const symbols = Object.entries(ICONS).map(([id, icon]) => symbol(id, icon));
  return {
    name: "sprite",
    transformIndexHtml: (html) =>
      html.replace("<!-- icons -->", `<svg class="sprite" aria-hidden="true">${symbols.join("")}</svg>`),
  };
}

/** A `.br` and a `.gz` next to each file, because the gateway does not compress; and the budget of the first load. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

const FIRST_LOAD_MAX = 160 * 1024;

const COMPRESSIBLE = /\.(css|html|js|svg)$/;

/** The files that the document names: scripts, their preloads and styles. */
function firstLoad(html: string): string[] {
  return [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map((match) => match[1] as string);
}

export function compressed(): Plugin {
  let folder = "";
  return {
    name: "compressed",
    apply: "build",
    configResolved: (config) => void (folder = config.build.outDir),
    writeBundle: {
      order: "post",
      sequential: true,
      handler() {
        const sizes = new Map<string, number>();
        for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
          if (!COMPRESSIBLE.test(path)) continue;
          const content = readFileSync(join(folder, path));
          const gzip = gzipSync(content, { level: 9 });
          const quality = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
          sizes.set(path, gzip.length);
          if (path === "index.html") continue; // the server completes it for each request
          writeFileSync(join(folder, `${path}.gz`), gzip);
          writeFileSync(join(folder, `${path}.br`), brotliCompressSync(content, { params: quality }));
        }
        const html = readFileSync(join(folder, "index.html"), "utf8");
        const bytes = ["index.html", ...firstLoad(html)].reduce(
          (sum, path) => sum + (sizes.get(path) ?? 0),
          0,
        );
        const used = `The first load takes ${(bytes / 1024).toFixed(1)} KB gzip, of ${FIRST_LOAD_MAX / 1024} KB.`;
        if (bytes > FIRST_LOAD_MAX) this.error(used);
        this.info(used);
      },
    },
  };
}

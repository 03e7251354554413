import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import { compressed } from "./build/compressed.ts";
import { sprite } from "./build/sprite.ts";

export default defineConfig({
  base: "./", // the page works behind any path: its files are found relative to it
  plugins: [svelte(), sprite(), compressed()],
  build: {
    outDir: "../functions/page/static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the content security policy permits no data: addresses
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // Few files: the server invokes a function for each of them, and one that does not arrive leaves the view empty.
    cssCodeSplit: false,
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: "shared", minShareCount: 2 }] } } },
  },
  test: { include: ["test/**/*.test.ts"], environment: "node" },
});

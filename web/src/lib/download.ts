/** Files for saving. */

import { blob } from "../api/http.ts";
import { notices } from "./notices.svelte.ts";

/** Download the spans of traces, whole and one a line, over all pages of the export. */
export async function exportTraces(ids: readonly string[], name: string): Promise<void> {
  try {
    const lines: Blob[] = [];
    let cursor: string | null = null;
    do {
      const page = await blob("/api/analytics/export", { trace_id: ids.join(","), cursor });
      lines.push(page.blob);
      cursor = page.headers.get("x-next-cursor");
    } while (cursor);
    saveAs(new Blob(lines), name);
  } catch (error) {
    notices.show(`Not downloaded: ${(error as Error).message}`, "error");
  }
}

/** Offer a file for saving. */
export function saveAs(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/**
 * Code that is loaded when it is needed. A request for it can fail: browsers abort those that wait when the network of
 * the machine changes, and after a deployment the former files are gone.
 */

import { tabStorage } from "./storage.ts";

/** The waits before code is requested again. */
const WAITS_MS = [300, 1500];

/** The document is loaded again once within this time. */
const RELOAD_MS = 60_000;
const RELOADED = "tracestore.reloaded";

/**
 * What `importer` imports, after several attempts if necessary.
 * @throws the error of the last attempt
 */
export async function load<T>(importer: () => Promise<T>): Promise<T> {
  for (const wait of WAITS_MS) {
    try {
      return await importer();
    } catch {
      await new Promise((resume) => setTimeout(resume, wait));
    }
  }
  return importer();
}

/**
 * As `load`, for a part without which the view is empty. If no attempt succeeds, the document is loaded again: that of
 * a newer deployment names its own files.
 * @throws the error of the last attempt, when the reader is offline or the document has just been loaded again
 */
export async function loadView<T>(importer: () => Promise<T>): Promise<T> {
  try {
    return await load(importer);
  } catch (error) {
    const reloadedAt = Number(tabStorage.get(RELOADED) ?? 0);
    if (!navigator.onLine || Date.now() - reloadedAt < RELOAD_MS) throw error;
    tabStorage.set(RELOADED, String(Date.now()));
    location.reload();
    return new Promise<never>(() => undefined); // until the document is replaced
  }
}

/** Request the style sheet again if it did not arrive. */
export function restyle(): void {
  for (const link of document.querySelectorAll<HTMLLinkElement>("link[rel=stylesheet]"))
    if (!link.sheet) link.replaceWith(link.cloneNode());
}

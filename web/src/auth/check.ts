/** Whether the API accepts a credential. */

import { errorOf, unreachable } from "../api/errors.ts";
import { api } from "../base.ts";

/** A credential as people paste it: with the scheme of the header, in quotes, or broken into lines. */
export function cleaned(text: string): string {
  return text
    .replace(/\s+/g, " ")
    .trim()
    .replace(/^(?:authorization: *)?bearer +/i, "")
    .replace(/^["']|["']$/g, "")
    .replaceAll(" ", "");
}

/** Ask the API who sends this credential. Returns the sentence that explains a refusal, or null. */
export async function refusalOf(credential: string): Promise<string | null> {
  if (!/^[\x21-\x7e]+$/.test(credential)) return "This is neither a token nor an API key.";
  let response: Response;
  try {
    response = await fetch(api("/api/me"), {
      headers: { authorization: `Bearer ${credential}` },
      cache: "no-store",
      credentials: "omit",
    });
  } catch {
    return unreachable().message;
  }
  return response.ok ? null : (await errorOf(response)).message;
}

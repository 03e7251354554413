/** What is compared, as the address has it: a trace, or `trace/span`. */

export interface Side {
  trace: string;
  span: string | null;
}

const ID = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/;

/** *absent*: null for what is no trace and no span. */
export function sideOf(text: string | null): Side | null {
  const [trace = "", span, ...more] = (text ?? "").split("/");
  if (more.length || !ID.test(trace) || (span !== undefined && !ID.test(span))) return null;
  return { trace, span: span ?? null };
}

export const textOf = ({ trace, span }: Side): string => (span === null ? trace : `${trace}/${span}`);

/** What somebody pastes: an id, `trace/span`, or a link of this page to one of them. */
export function pastedSide(text: string): Side | null {
  const plain = text.trim();
  const link = /\/traces\/t\/([^/?#]+)([^#]*)/.exec(plain);
  if (!link) return sideOf(plain);
  const query = new URLSearchParams(link[2]?.replace(/^[^?]*\??/, ""));
  return sideOf([decoded(link[1] ?? ""), ...(query.get("span") ? [query.get("span")] : [])].join("/"));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

/**
 * Markdown of stored text, as a fragment that runs nothing and loads nothing: marked parses, DOMPurify removes everything
 * that is not on the lists below, and images become their address.
 */

import { Marked } from "marked";
import { purify } from "./purify.ts";

/** Longer texts are shown as plain text: they are data, not prose. */
export const MARKDOWN_MAX = 150_000;

const TAGS = [
  ...[
    "p",
    "br",
    "hr",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "ul",
    "ol",
    "li",
    "pre",
    "code",
    "em",
    "strong",
  ],
  ...["del", "a", "table", "thead", "tbody", "tr", "th", "td", "sup", "sub", "span"],
];

const ATTRIBUTES = ["href", "class", "start", "align", "title"];

const escapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => escapes[character] as string);

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    // What looks like HTML is text: models write about HTML more often than in it.
    html: ({ text }) => escaped(text),
    image: ({ href, text }) =>
      `<span class="image">image: ${escaped(text || href)}${text ? ` (${escaped(href)})` : ""}</span>`,
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

/** The elements of which each has the direction of its own text. Those inside them have it as well. */
const DIRECTED = "p:not(li p), h1, h2, h3, h4, h5, h6, ul:not(li ul), ol:not(li ol), table";

/** A text as a fragment of safe elements. */
export function markdown(text: string): DocumentFragment {
  const fragment = purify.sanitize(marked.parse(text, { async: false }), {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
  for (const element of fragment.querySelectorAll<HTMLElement>(DIRECTED)) element.dir = "auto";
  return fragment;
}

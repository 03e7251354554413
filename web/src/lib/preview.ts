/** Previews of the API for one line: of JSON, the text that a person would look for. */

const TEXT_NAMES = [
  "prompt",
  "question",
  "query",
  "topic",
  "title",
  "subject",
  "text",
  "content",
  "message",
  "input",
  "task",
  "goal",
  "name",
];

/**
 * What a preview is about. The preview of an object is the beginning of its JSON, which may be cut in the middle, so this
 * looks for the value of the first of these names.
 */
export function aboutOf(preview: string | null | undefined): string {
  if (!preview?.startsWith("{")) return preview ?? "";
  for (const name of TEXT_NAMES) {
    const match = new RegExp(`"${name}":\\s*"((?:[^"\\\\]|\\\\.)*)`).exec(preview);
    if (match?.[1]) return unescaped(match[1]);
  }
  return preview;
}

function unescaped(text: string): string {
  try {
    return JSON.parse(`"${text.replace(/\\$/, "")}"`) as string;
  } catch {
    return text;
  }
}

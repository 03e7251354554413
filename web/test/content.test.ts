import { describe, expect, test } from "vitest";
import { ExactNumber, parseExact } from "../src/api/exact.ts";
import { linesOf, stepped, wrappedLines } from "../src/content/json.ts";
import { conversationOf, parsedText, plainText, withResults, type Message } from "../src/content/messages.ts";
import { aboutOf } from "../src/lib/preview.ts";

describe("the conversation in a payload", () => {
  const text = (role: string, words: string): Message => ({ role, parts: [{ type: "text", text: words }] });

  test.each([
    [
      "the form of the API",
      { messages: [{ role: "user", parts: [{ type: "text", text: "hi" }] }] },
      [text("user", "hi")],
    ],
    ["a plain text", "hi", [text("user", "hi")]],
    ["a prompt", { prompt: "hi" }, [text("user", "hi")]],
    ["a list of messages", [{ role: "user", content: "hi" }], [text("user", "hi")]],
    [
      "content in parts",
      { messages: [{ role: "user", content: [{ type: "input_text", text: "hi" }] }] },
      [text("user", "hi")],
    ],
    [
      "choices",
      { choices: [{ index: 0, message: { role: "assistant", content: "ok" } }] },
      [text("assistant", "ok")],
    ],
  ])("%s", (_, data, messages) => {
    expect(conversationOf(data, "user")?.messages).toEqual(messages);
  });

  test.each([[null], [{}], [{ a: 1 }], [[1, 2]], [""], [{ messages: [1] }], [{ messages: [] }], [7]])(
    "is none in %j",
    (data) => {
      expect(conversationOf(data, "user")).toBeNull();
    },
  );

  test("keeps what is next to the messages", () => {
    expect(conversationOf({ messages: [{ role: "user", content: "x" }], tools: [1] }, "user")?.rest).toEqual({
      tools: [1],
    });
  });

  test("shows calls of tools in the forms of two providers", () => {
    const openai = {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "1", function: { name: "f", arguments: "{}" } }],
    };
    const anthropic = {
      role: "assistant",
      content: [{ type: "tool_use", id: "1", name: "f", input: { a: 1 } }],
    };
    expect(conversationOf([openai], "assistant")?.messages[0]?.parts).toEqual([
      { type: "tool_call", id: "1", name: "f", arguments: "{}" },
    ]);
    expect(conversationOf([anthropic], "assistant")?.messages[0]?.parts).toEqual([
      { type: "tool_call", id: "1", name: "f", arguments: { a: 1 } },
    ]);
  });
});

describe("results of tools", () => {
  const call = (id: string) => ({ type: "tool_call" as const, id, name: "f", arguments: {} });
  const result = (id: string) => ({ type: "tool_result" as const, id, name: "f", result: `of ${id}` });

  test("stand with their calls, in any order, and their own messages vanish", () => {
    const joined = withResults([
      { role: "assistant", parts: [call("a"), call("b")] },
      { role: "tool", parts: [result("b")] },
      { role: "tool", parts: [result("a")] },
    ]);
    expect(joined).toHaveLength(1);
    expect(joined[0]?.parts.map((part) => part.type === "tool_call" && part.result?.result)).toEqual([
      "of a",
      "of b",
    ]);
  });

  test("without a call stay where they are", () => {
    const messages: Message[] = [{ role: "tool", parts: [result("x")] }];
    expect(withResults(messages)).toEqual(messages);
  });

  test("are copied as text", () => {
    const [message] = withResults([
      { role: "assistant", parts: [call("a")] },
      { role: "tool", parts: [result("a")] },
    ]);
    expect(plainText(message as Message)).toBe("f({})\n→ of a");
  });
});

describe("numbers of stored JSON", () => {
  test("keep the digits with which they were sent", () => {
    const parsed = parseExact(
      '{"data": {"duration_ms": 1.0, "input_data": {"big": 12345678901234567890, "one": 1.0, "n": 5}}}',
    ) as {
      data: { duration_ms: number; input_data: { big: ExactNumber; one: ExactNumber; n: number } };
    };
    expect(parsed.data.duration_ms).toBe(1);
    expect(parsed.data.input_data.n).toBe(5);
    if (parsed.data.input_data.big instanceof ExactNumber) {
      expect(String(parsed.data.input_data.big)).toBe("12345678901234567890");
      expect(String(parsed.data.input_data.one)).toBe("1.0");
    } else {
      expect(process.version).toMatch(/^v(18|20)\./); // an engine that does not give the source of a number
    }
  });
});

test("numbers of the JSON in a text keep their digits, where it is read and where it is expanded", () => {
  const text = '{"id": 12345678901234567890, "price": 1.50}';
  const { id, price } = parsedText(text) as Record<string, unknown>;
  const lines = linesOf({ a: text }, new Map([["$.a", true]])).map((line) => line.text);
  if (id instanceof ExactNumber) {
    expect([String(id), String(price)]).toEqual(["12345678901234567890", "1.50"]);
    expect(lines.slice(2, 4)).toEqual(["12345678901234567890", "1.50"]);
  } else {
    expect(process.version).toMatch(/^v(18|20)\./); // an engine that does not give the source of a number
  }
});

describe("JSON as lines", () => {
  const shown = (value: unknown, toggled = new Map<string, boolean>()): string[] =>
    linesOf(value, toggled).map(
      (line) =>
        `${"  ".repeat(line.depth)}${line.name === null ? "" : `${line.name}: `}${line.text}${line.comma ? "," : ""}`,
    );

  test("has one for each scalar and bracket", () => {
    expect(shown({ a: [1, "x"], b: {}, c: null })).toEqual([
      "{",
      "  a: [",
      "    1,",
      '    "x"',
      "  ],",
      "  b: {},",
      "  c: null",
      "}",
    ]);
  });

  test("toggled what is deep, large or collapsed by the reader", () => {
    expect(shown({ a: { b: { c: { d: 1 } } } })).toEqual([
      "{",
      "  a: {",
      "    b: {",
      "      c: {}",
      "    }",
      "  }",
      "}",
    ]);
    expect(shown(Array.from({ length: 51 }, () => 0))).toEqual(["[]"]);
    expect(shown({ a: [1] }, new Map([["$.a", false]]))).toEqual(["{", "  a: []", "}"]);
  });

  test("expands the JSON in a text on request", () => {
    expect(linesOf({ a: '{"b": 1}' }, new Map())[1]).toMatchObject({ kind: "string", nested: true });
    expect(shown({ a: '{"b": 1}' }, new Map([["$.a", true]]))).toEqual([
      "{",
      "  a: {",
      "    b: 1",
      "  }",
      "}",
    ]);
  });

  test("of 20,000 levels needs no recursion", () => {
    let deep: unknown = 1;
    for (let level = 0; level < 20_000; level++) deep = [deep];
    const toggled = new Map<string, boolean>();
    let path = "$";
    for (let level = 0; level < 100; level++) {
      toggled.set(path, true);
      path = stepped(path, 0);
    }
    expect(linesOf(deep, toggled)).toHaveLength(201);
  });
});

test("JSON shows the control characters of its names and texts", () => {
  const [, line] = linesOf({ "a\u202e": "b\u202e" }, new Map());
  expect([line?.name, line?.text, line?.value]).toEqual(["a⟨U+202E⟩", '"b⟨U+202E⟩"', "b\u202e"]);
});

describe("long texts of JSON over several lines", () => {
  const wrapped = (value: unknown, columns: number) =>
    wrappedLines(linesOf(value, new Map()), columns).filter((line) => line.kind === "string");

  test("have every character once, the name at the first and the comma after the last", () => {
    const lines = wrapped({ text: "0123456789".repeat(10), more: 1 }, 42);
    expect(lines.map((line) => line.text).join("")).toBe(JSON.stringify("0123456789".repeat(10)));
    expect(lines.map((line) => [line.name, line.continues, line.comma])).toEqual([
      ["text", false, false],
      [null, true, false],
      [null, true, true],
    ]);
    expect(lines.every((line) => line.text.length <= 40)).toBe(true);
  });

  test("of wide characters take twice the room", () => {
    expect(wrapped(["タ".repeat(40)], 42).map((line) => [...line.text].length)).toEqual([20, 19, 3]);
  });

  test("end after 400 lines, with the number of characters that are left out", () => {
    const lines = wrapped(["x".repeat(20_000)], 42);
    expect(lines).toHaveLength(400);
    expect(lines.reduce((sum, line) => sum + line.text.length + (line.omitted ?? 0), 0)).toBe(20_002);
  });

  test("leave an image in one line", () => {
    expect(wrapped([`data:image/png;base64,${"A".repeat(500)}`], 42)).toHaveLength(1);
  });
});

describe("what a preview is about", () => {
  test.each([
    ["Plan a day in Lisbon", "Plan a day in Lisbon"],
    ['{"prompt": "Write a lesson on \\"tides\\"", "grade": 7}', 'Write a lesson on "tides"'],
    ['{"pull_request": 1876, "title": "Regenerate the pay', "Regenerate the pay"],
    ['{"x": 1}', '{"x": 1}'],
    [null, ""],
  ])("%s", (preview, about) => expect(aboutOf(preview)).toBe(about));
});

describe("media in the form of a provider's API", () => {
  const partsOf = (...content: unknown[]) =>
    conversationOf([{ role: "user", content }], "user")?.messages[0]?.parts;
  const png = "iVBORw0KGgo=";

  test.each([
    ["an image of OpenAI's chats", { type: "image_url", image_url: { url: `data:image/png;base64,${png}` } }],
    ["an image of OpenAI's responses", { type: "input_image", image_url: `data:image/png;base64,${png}` }],
    [
      "an image of Anthropic",
      { type: "image", source: { type: "base64", media_type: "image/png", data: png } },
    ],
  ])("is a medium with its content: %s", (_, part) => {
    expect(partsOf(part)).toEqual([
      { type: "media", mime_type: "image/png", data: png, bytes: null, ref: null, sha256: null, uri: null },
    ]);
  });

  test.each([
    [
      "a document",
      { type: "document", source: { type: "base64", media_type: "application/pdf", data: "JVBERi0=" } },
      "application/pdf",
    ],
    ["a sound", { type: "input_audio", input_audio: { format: "mp3", data: "SUQz" } }, "audio/mp3"],
  ])("names its type: %s", (_, part, mimeType) => {
    expect(partsOf(part)).toMatchObject([{ type: "media", mime_type: mimeType }]);
  });

  test("of another host is its address, which is not loaded", () => {
    const uri = "https://example.com/cat.png";
    expect(partsOf({ type: "image_url", image_url: { url: uri } })).toMatchObject([
      { type: "media", uri, data: null },
    ]);
  });

  test.each([{ type: "image_url" }, { type: "image", source: "cat.png" }, { type: "input_audio" }])(
    "stays JSON where it has no content: %o",
    (part) => expect(partsOf(part)).toEqual([{ type: "other", value: part }]),
  );
});

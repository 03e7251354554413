/**
 * A trace as it was said and done, in the order of events: what is new in each call, each tool's result at its call,
 * agents below the root as sections. Wrappers that only pass a conversation on have no place of their own.
 */

import type { components } from "../api/schema.d.ts";
import {
  conversationOf,
  isInstruction,
  plainText,
  type Message,
  type Part,
  type ToolResult,
} from "../content/messages.ts";
import { toolChanges, toolsOf, type ToolChanges, type ToolDefinition } from "../content/tools.ts";
import type { SpanNode, TreeNode } from "../trace/tree.ts";

export type SpanOfPage = components["schemas"]["SpanOfPage"];

type ToolCall = Extract<Part, { type: "tool_call" }>;

interface EntryBase {
  key: string;
  /** The span that said or did it, which a click selects. */
  node: SpanNode;
}

export interface Said extends EntryBase {
  kind: "said";
  role: string;
  parts: Part[];
  /** Whether the model said it, rather than received it. */
  answer: boolean;
  /** Of instructions that replaced others: the text before. */
  before: string | null;
}

/** What a model call had in common with the call before it. */
export interface Repeated extends EntryBase {
  kind: "repeated";
  /** The number of the call among all calls of the trace, from 1. */
  call: number;
  count: number;
  changed: boolean;
  /** The call whose history it is compared with. */
  compared: string | null;
  /** The number of tools that it was given as before. */
  tools: number;
}

/** The tools that a call was given, where they are other ones than before. */
export interface Given extends EntryBase {
  kind: "given";
  tools: ToolDefinition[];
  /** Null where there were none before. */
  changes: ToolChanges | null;
}

export interface Called {
  call: ToolCall | null;
  /** The span of the tool, if it was traced. */
  node: SpanNode | null;
  name: string;
  arguments: unknown;
  result: unknown;
  hasResult: boolean;
}

/** Calls of tools: of one answer, side by side, or one that no answer asked for. */
export interface Tools extends EntryBase {
  kind: "tools";
  calls: Called[];
}

/** A step without words: an embedding, a retrieval, a guardrail, a failed attempt. */
export interface Step extends EntryBase {
  kind: "step";
}

export interface Section extends EntryBase {
  kind: "section";
  input: unknown;
  output: unknown;
  entries: Entry[];
}

/** Several steps in a row that neither failed nor have words, such as the internal spans of a coding agent. */
export interface Quiet extends EntryBase {
  kind: "quiet";
  steps: SpanNode[];
}

export type Entry = Said | Repeated | Given | Tools | Step | Section | Quiet;

/** Payloads by span id. A span whose payload has not been loaded yet is a step. */
export type Payloads = ReadonlyMap<string, SpanOfPage>;

const WRAPPERS = new Set(["agent", "chain", "workflow", "lesson", "other", "http"]);

/** The entries of a trace. */
export function transcriptOf(roots: readonly TreeNode[], payloads: Payloads): Entry[] {
  const writer = new Writer(payloads, repeatedCalls(roots, payloads));
  const entries: Entry[] = [];
  for (const root of roots) {
    // Where no model was called, the root's own words are the only ones.
    const words =
      root.kind === "span" && root.children.length && !hasCompletion(root) ? ownWords(root, payloads) : null;
    if (words) entries.push(...words.input);
    writer.write(root, entries, null, true);
    if (words) entries.push(...words.output);
  }
  joinQuiet(entries);
  return entries;
}

const isQuiet = ({ row, children }: SpanNode): boolean =>
  WRAPPERS.has(row.operation_type ?? "other") &&
  row.status === "success" &&
  !row.wasted &&
  !row.preview &&
  !children.length;

/** Make one entry of quiet steps in a row: they would hide what was said. */
function joinQuiet(entries: Entry[]): void {
  const waiting = [entries];
  for (let list = waiting.pop(); list; list = waiting.pop()) {
    const joined: Entry[] = [];
    for (const entry of list) {
      const last = joined.at(-1);
      if (entry.kind !== "step" || !isQuiet(entry.node)) joined.push(entry);
      else if (last?.kind === "quiet") last.steps.push(entry.node);
      else joined.push({ kind: "quiet", key: `${entry.key}:quiet`, node: entry.node, steps: [entry.node] });
      if (entry.kind === "section") waiting.push(entry.entries);
    }
    list.length = 0;
    for (const entry of joined) {
      const alone = entry.kind === "quiet" && entry.steps.length === 1;
      list.push(alone ? { kind: "step", key: entry.node.key, node: entry.node } : entry);
    }
  }
}

function hasCompletion(root: TreeNode): boolean {
  const waiting: TreeNode[] = [root];
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    if (node.kind === "span" && node.row.operation_type === "completion") return true;
    waiting.push(...node.children);
  }
  return false;
}

function ownWords(node: SpanNode, payloads: Payloads): { input: Entry[]; output: Entry[] } {
  const payload = payloads.get(node.key);
  const input = conversationOf(payload?.input_data ?? null, "user")?.messages ?? [];
  const output = conversationOf(payload?.output_data ?? null, "assistant")?.messages ?? [];
  return {
    input: input.map((message, index) => said(node, `${node.key}:in:${index}`, message, false)),
    output: output.map((message, index) => said(node, `${node.key}:out:${index}`, message, true)),
  };
}

const hasWords = (payload: SpanOfPage | undefined): boolean =>
  payload !== undefined &&
  (Boolean(payload.input_data ?? payload.output_data) || Boolean(payload.new_messages?.length));

/**
 * The keys of calls whose words another one reports, as where a framework and the client below it both report a call. A
 * call around a single other one in the same run is the same call, and the inner one is left out. A call around several,
 * such as attempts or the steps of a loop, is a wrapper, and is left out itself.
 */
function repeatedCalls(roots: readonly TreeNode[], payloads: Payloads): ReadonlySet<string> {
  const inner = new Map<string, string[]>();
  const waiting: { node: TreeNode; around: string | null }[] = roots.map((node) => ({ node, around: null }));
  for (let task = waiting.pop(); task; task = waiting.pop()) {
    const { node } = task;
    let { around } = task;
    if (node.kind === "span") {
      const operation = node.row.operation_type ?? "other";
      if (operation === "agent" || operation === "tool_call") around = null;
      else if (operation === "completion" && hasWords(payloads.get(node.key))) {
        if (around !== null) inner.set(around, [...(inner.get(around) ?? []), node.key]);
        around = node.key;
      }
    }
    for (const child of node.children) waiting.push({ node: child, around });
  }
  return new Set([...inner].map(([around, calls]) => (calls.length > 1 ? around : (calls[0] as string))));
}

/** What the calls of one agent have until now. */
interface Run {
  /** The calls of tools that wait for their span or their result. */
  calls: Called[];
  /** The tools that the last call was given. */
  tools: ToolDefinition[];
  /** The last instructions by role. */
  instructions: Map<string, string>;
}

const newRun = (): Run => ({ calls: [], tools: [], instructions: new Map() });

class Writer {
  readonly #payloads: Payloads;
  readonly #repeated: ReadonlySet<string>;
  #completions = 0;

  constructor(payloads: Payloads, repeated: ReadonlySet<string>) {
    this.#payloads = payloads;
    this.#repeated = repeated;
  }

  /** Write a node and all below it. Without recursion over depth: a chain of wrappers is a loop. */
  write(start: TreeNode, entries: Entry[], parent: Run | null, isRoot: boolean): void {
    const tasks: { node: TreeNode; entries: Entry[]; run: Run; isRoot: boolean }[] = [];
    tasks.push({ node: start, entries, run: parent ?? newRun(), isRoot });
    for (let task = tasks.pop(); task; task = tasks.pop()) {
      const { node, run } = task;
      let into = task.entries;
      let inner = run;
      let rootBelow = false;
      if (node.kind === "span") {
        const payload = this.#payloads.get(node.key);
        const operation = node.row.operation_type ?? "other";
        if (operation === "completion") this.#call(node, payload, into, run);
        else if (operation === "tool_call") {
          this.#tool(node, payload, into, run);
          inner = newRun(); // the calls below a tool are a conversation of their own
        } else if (!WRAPPERS.has(operation) || (!node.children.length && !task.isRoot))
          into.push({ kind: "step", key: node.key, node });
        else if (task.isRoot && !node.children.length) this.#alone(node, into);
        else if (operation === "agent" && !task.isRoot) {
          const section: Section = {
            kind: "section",
            key: node.key,
            node,
            input: payload?.input_data ?? null,
            output: payload?.output_data ?? null,
            entries: [],
          };
          into.push(section);
          into = section.entries;
          inner = newRun();
        } else {
          showFailure(node, into);
          rootBelow = task.isRoot && node.children.length === 1;
        }
      }
      for (let index = node.children.length - 1; index >= 0; index--) {
        tasks.push({ node: node.children[index] as TreeNode, entries: into, run: inner, isRoot: rootBelow });
      }
    }
  }

  #call(node: SpanNode, payload: SpanOfPage | undefined, entries: Entry[], run: Run): void {
    if (payload && !hasWords(payload)) {
      if (node.row.status !== "success") entries.push({ kind: "step", key: node.key, node });
    } else if (this.#repeated.has(node.key)) showFailure(node, entries);
    else this.#completion(node, payload, entries, run);
  }

  #completion(node: SpanNode, payload: SpanOfPage | undefined, entries: Entry[], run: Run): void {
    const call = ++this.#completions;
    if (!payload) {
      entries.push({ kind: "step", key: node.key, node });
      return;
    }
    const repeated = payload.repeated_messages ?? 0;
    const heard = payload.new_messages
      ? conversationOf({ messages: payload.new_messages }, "user")
      : conversationOf(payload.input_data, "user");
    const given = this.#given(node, payload, run);
    if (repeated > 0 || payload.history === "changed") {
      entries.push({
        kind: "repeated",
        key: `${node.key}:repeated`,
        node,
        call,
        count: repeated,
        changed: payload.history === "changed",
        compared: payload.history_span_id ?? null,
        tools: given ? 0 : run.tools.length,
      });
    }
    if (given) entries.push(given);
    const instructions = new Map<string, string>();
    (heard?.messages ?? []).forEach((message, index) => {
      const parts = message.parts.filter((part) => part.type !== "tool_result" || !attach(run, part));
      if (!parts.length) return;
      const entry = said(node, `${node.key}:in:${index}`, { ...message, parts }, false);
      if (isInstruction(entry)) {
        entry.before = run.instructions.get(entry.role) ?? null;
        instructions.set(entry.role, plainText(entry));
      }
      entries.push(entry);
    });
    for (const [role, text] of instructions) run.instructions.set(role, text);
    run.calls = [];
    const answered = conversationOf(payload.output_data, "assistant");
    if (!answered) {
      // An error, an interruption, or an output of another form: the details have it.
      if (node.row.status !== "success" || payload.output_data !== null)
        entries.push({ kind: "step", key: node.key, node });
      return;
    }
    answered.messages.forEach((message, index) => {
      const words = message.parts.filter((part) => part.type !== "tool_call");
      const calls = message.parts.filter((part) => part.type === "tool_call");
      if (words.length)
        entries.push(said(node, `${node.key}:out:${index}`, { ...message, parts: words }, true));
      if (calls.length) {
        const called = calls.map((call): Called => ({
          call,
          node: null,
          name: call.name ?? "tool",
          arguments: call.arguments,
          result: call.result?.result ?? null,
          hasResult: call.result !== undefined,
        }));
        entries.push({ kind: "tools", key: `${node.key}:calls:${index}`, node, calls: called });
        run.calls.push(...called);
      }
    });
    if (node.row.status === "error") entries.push({ kind: "step", key: node.key, node });
  }

  /** The tools of a call, unless they are those of the call before. */
  #given(node: SpanNode, payload: SpanOfPage, run: Run): Given | null {
    const tools = toolsOf(payload.input_rest, payload.metadata);
    if (!tools.length) return null;
    const before = run.tools;
    run.tools = tools;
    const changes = before.length ? toolChanges(before, tools) : null;
    return before.length && !changes
      ? null
      : { kind: "given", key: `${node.key}:given`, node, tools, changes };
  }

  #tool(node: SpanNode, payload: SpanOfPage | undefined, entries: Entry[], run: Run): void {
    const name = node.row.tool_name ?? node.row.span_name ?? "tool";
    const wanted = JSON.stringify(payload?.input_data ?? null);
    const waiting = run.calls.filter((called) => called.node === null && called.name === name);
    const called = waiting.find((one) => JSON.stringify(one.arguments) === wanted) ?? waiting[0];
    if (called) {
      called.node = node;
      if (payload && payload.output_data !== null) {
        called.result = payload.output_data;
        called.hasResult = true;
      }
      return;
    }
    const alone: Called = {
      call: null,
      node,
      name,
      arguments: payload?.input_data ?? null,
      result: payload?.output_data ?? null,
      hasResult: payload !== undefined && payload.output_data !== null,
    };
    entries.push({ kind: "tools", key: node.key, node, calls: [alone] });
  }

  /** A trace of one span that is no model call: its input and its output. */
  #alone(node: SpanNode, entries: Entry[]): void {
    const { input, output } = ownWords(node, this.#payloads);
    if (input.length || output.length) entries.push(...input, ...output);
    else entries.push({ kind: "step", key: node.key, node });
  }
}

/** What failed in a wrapper by itself must still be seen. */
function showFailure(node: SpanNode, entries: Entry[]): void {
  if (node.row.status === "error" && !node.cause) entries.push({ kind: "step", key: node.key, node });
}

/** Put a result at its call. *returns* whether there is such a call. */
function attach(run: Run, result: ToolResult): boolean {
  const called =
    run.calls.find((one) => result.id !== null && one.call?.id === result.id) ??
    run.calls.find(
      (one) => result.id === null && !one.hasResult && (result.name === null || one.name === result.name),
    );
  if (!called) return false;
  if (!called.hasResult) {
    called.result = result.result;
    called.hasResult = true;
  }
  return true;
}

function said(node: SpanNode, key: string, message: Message, answer: boolean): Said {
  return { kind: "said", key, node, role: message.role, parts: message.parts, answer, before: null };
}

/** The entries in their order, with those of the sections that are open. */
export function shownEntries(entries: readonly Entry[], isOpen: (section: Section) => boolean): Entry[] {
  const shown: Entry[] = [];
  const waiting = [...entries].reverse();
  for (let entry = waiting.pop(); entry; entry = waiting.pop()) {
    shown.push(entry);
    if (entry.kind === "section" && isOpen(entry)) waiting.push(...[...entry.entries].reverse());
  }
  return shown;
}

/** Long sections are closed, unless a reader opens them. */
const SECTION_OPEN_ENTRIES = 6;
export const opensByItself = (section: Section): boolean => section.entries.length <= SECTION_OPEN_ENTRIES;

/** The nearest model call around a span in the same run, which may report the same call. */
export function callAround(span: SpanNode): SpanNode | null {
  for (let above = span.parent; above; above = above.parent) {
    if (above.kind !== "span") continue;
    if (above.row.operation_type === "completion") return above;
    if (above.row.operation_type === "agent" || above.row.operation_type === "tool_call") return null;
  }
  return null;
}

/** The key of the entry that shows a span: its own, or of the call that it answers. */
export function entryOf(entries: readonly Entry[], span: string): string | null {
  const waiting: Entry[] = [...entries];
  for (let entry = waiting.shift(); entry; entry = waiting.shift()) {
    if (entry.kind === "tools" && entry.calls.some((called) => called.node?.key === span)) return entry.key;
    if (entry.kind === "quiet" && entry.steps.some((step) => step.key === span)) return entry.key;
    if (entry.node.key === span) return entry.key;
    if (entry.kind === "section") waiting.unshift(...entry.entries);
  }
  return null;
}

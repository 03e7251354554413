/** The memory that an ended span takes, and copies of the span with its longest values cut. */

import type { Attributes, AttributeValue } from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";

import type { Limits } from "./settings.js";
import { cut } from "./values.js";

/** The rough size of the objects themselves, without their texts. */
const SPAN_BYTES = 2_000;
const ENTRY_BYTES = 100;

/** By how much a text that has already been cut may exceed the limit, because of the note that it was cut. */
const CUT_NOTE_CHARACTERS = 2_000;

const SHORTEST_LIMIT = 256;

/** The approximate memory size of a text: V8 stores texts beyond Latin-1 with two bytes for each character. */
export function textBytes(text: string): number {
  return /[^\x00-\xff]/.test(text) ? text.length * 2 : text.length;
}

/** The approximate memory size of a span. */
export function sizeBytes(span: ReadableSpan): number {
  let total = SPAN_BYTES + attributesBytes(span.attributes);
  for (const event of span.events) total += SPAN_BYTES + attributesBytes(event.attributes);
  return total + ENTRY_BYTES * span.links.length;
}

/** The span if it may be queued without cuts, else a copy with its texts cut to the limits. */
export function withinLimits(span: ReadableSpan, limits: Limits): ReadableSpan {
  const size = sizeBytes(span);
  if (size <= limits.maxValueCharacters) return span;
  const values = [span.attributes, ...span.events.map((event) => event.attributes ?? {})].flatMap(Object.values);
  const fitting = values.every(
    (value: AttributeValue) => length(value) <= limits.maxValueCharacters + CUT_NOTE_CHARACTERS,
  );
  if (size <= limits.maxSpanBytes && fitting) return span;
  let characters = limits.maxValueCharacters;
  let copy = cutSpan(span, characters);
  while (sizeBytes(copy) > limits.maxSpanBytes && characters > SHORTEST_LIMIT) {
    characters = Math.floor(characters / 4);
    copy = cutSpan(span, characters);
  }
  return copy; // it may still be too large when it has very many short values
}

/** A copy of the span that belongs to another resource. */
export function withResource(span: ReadableSpan, resource: Resource): ReadableSpan {
  return { ...copyOf(span), resource };
}

function cutSpan(span: ReadableSpan, characters: number): ReadableSpan {
  return {
    ...copyOf(span),
    name: cut(span.name, characters),
    attributes: cutAttributes(span.attributes, characters),
    events: span.events.map((event) => ({ ...event, attributes: cutAttributes(event.attributes, characters) })),
  };
}

function copyOf(span: ReadableSpan): ReadableSpan {
  // A span of the SDK has getters, which `{...span}` leaves out.
  return {
    name: span.name,
    kind: span.kind,
    spanContext: () => span.spanContext(),
    parentSpanContext: span.parentSpanContext,
    startTime: span.startTime,
    endTime: span.endTime,
    status: span.status,
    attributes: span.attributes,
    links: span.links,
    events: span.events,
    duration: span.duration,
    ended: span.ended,
    resource: span.resource,
    instrumentationScope: span.instrumentationScope,
    droppedAttributesCount: span.droppedAttributesCount,
    droppedEventsCount: span.droppedEventsCount,
    droppedLinksCount: span.droppedLinksCount,
  };
}

function attributesBytes(attributes: Attributes = {}): number {
  let total = 0;
  for (const value of Object.values(attributes)) {
    total += ENTRY_BYTES;
    if (typeof value === "string") total += textBytes(value);
    else if (Array.isArray(value)) {
      for (const item of value) total += typeof item === "string" ? textBytes(item) : 8;
    }
  }
  return total;
}

function length(value: AttributeValue | undefined): number {
  if (typeof value === "string") return value.length;
  if (!Array.isArray(value)) return 0;
  let total = 0;
  for (const item of value) total += typeof item === "string" ? item.length : 8;
  return total;
}

function cutAttributes(attributes: Attributes = {}, characters: number): Attributes {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, cutValue(value, characters)]));
}

function cutValue(value: AttributeValue | undefined, characters: number): AttributeValue | undefined {
  if (length(value) <= characters + CUT_NOTE_CHARACTERS) return value;
  return typeof value === "string" ? cut(value, characters) : `[cut: ${(value as unknown[]).length} items]`;
}

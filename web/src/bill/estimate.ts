/**
 * What storing has cost, as an estimate: counted traces and spans, multiplied by the units that `tracestore bench capacity`
 * measures (README.md, "Cost") and by list prices (docs/deploy.md, "Cost"). A test compares the numbers with both documents.
 */

/** Dollars of DynamoDB on demand in us-east-1, before free tiers. */
export const PRICES = {
  perMillionWriteUnits: 0.625,
  perMillionRequests: 1.2, // API Gateway and Lambda
  perGigabyteMonth: 0.25,
} as const;

/**
 * Write units. A trace that arrives in one request takes 3.7 and 0.3 for each span: the line through 4.00 a span of single
 * chats, 1.00 of agents with 5 spans and 0.39 of those with 41, which is within 6 % of each.
 */
export const UNITS = { perTrace: 3.7, perSpan: 0.3, countingPerSpan: 0.29 } as const;

/** Spans of a request, as clients that send in batches have. */
const SPANS_PER_REQUEST = 50;

export interface Counted {
  traces: number;
  spans: number;
  /** Bytes that a span takes in storage, with its payload; null if unknown. */
  bytesPerSpan: number | null;
  /** How long traces are kept. */
  retentionDays: number;
}

export interface Estimate {
  writing: number;
  counting: number;
  requests: number;
  /** Keeping the spans for their whole time; null if their size is unknown. */
  keeping: number | null;
  total: number;
  perThousandSpans: number | null;
}

const MONTH_DAYS = 30;

export function estimateOf({ traces, spans, bytesPerSpan, retentionDays }: Counted): Estimate {
  const perUnit = PRICES.perMillionWriteUnits / 1e6;
  const writing = (traces * UNITS.perTrace + spans * UNITS.perSpan) * perUnit;
  const counting = spans * UNITS.countingPerSpan * perUnit;
  const requests = (spans / SPANS_PER_REQUEST) * (PRICES.perMillionRequests / 1e6);
  const keeping =
    bytesPerSpan === null
      ? null
      : ((spans * bytesPerSpan) / 1e9) * PRICES.perGigabyteMonth * (retentionDays / MONTH_DAYS);
  const total = writing + counting + requests + (keeping ?? 0);
  return {
    writing,
    counting,
    requests,
    keeping,
    total,
    perThousandSpans: spans ? (total / spans) * 1000 : null,
  };
}

/** A hosted service with a published price by usage. */
export interface Service {
  name: string;
  /** The plan, and what it counts, in words. */
  plan: string;
  source: string;
  /** The day on which the price was read, from the source or from a record of it. */
  read: string;
  feeUsd: number;
  /** What it counts of a month. */
  counted: (traces: number, spans: number) => number;
  included: number;
  /** Prices above what is included: up to so many, dollars each. */
  steps: readonly { upTo: number; each: number }[];
}

/**
 * Published prices of the smallest paid plan of each, with one seat. They change: each has its source and its date.
 */
export const SERVICES: readonly Service[] = [
  {
    name: "Langfuse Cloud",
    plan: "Core: $29 with 100,000 units (traces and spans), then $8 per 100,000, less from a million on",
    source: "https://langfuse.com/pricing",
    read: "2026-11-27",
    feeUsd: 29,
    counted: (traces, spans) => traces + spans,
    included: 100_000,
    steps: [
      { upTo: 1e6, each: 8e-5 },
      { upTo: 1e7, each: 7e-5 },
      { upTo: 5e7, each: 6.5e-5 },
      { upTo: Infinity, each: 6e-5 },
    ],
  },
  {
    name: "LangSmith",
    plan: "Plus: $39 a seat with 10,000 traces, then $0.50 per 1,000, kept for 14 days",
    source: "https://docs.langchain.com/langsmith/usage-and-billing",
    read: "2026-11-27",
    feeUsd: 39,
    counted: (traces) => traces,
    included: 10_000,
    steps: [{ upTo: Infinity, each: 5e-4 }],
  },
  {
    name: "Pydantic Logfire",
    plan: "Team: $49 with 10 million spans, then $2 per million, kept for 30 days",
    source: "https://github.com/pydantic/logfire/blob/main/docs/logfire-costs.md",
    read: "2026-11-28",
    feeUsd: 49,
    counted: (_, spans) => spans,
    included: 10_000_000,
    steps: [{ upTo: Infinity, each: 2e-6 }],
  },
];

/** What a service would have charged for so many traces and spans of a month. */
export function chargeOf(service: Service, traces: number, spans: number): number {
  const counted = service.counted(traces, spans);
  let charged = service.feeUsd;
  let from = service.included;
  for (const { upTo, each } of service.steps) {
    if (counted <= from) break;
    charged += (Math.min(counted, upTo) - from) * each;
    from = upTo;
  }
  return charged;
}

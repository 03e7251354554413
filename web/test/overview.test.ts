import { describe, expect, test, vi } from "vitest";
import { dayStart, momentOf, monthStart, shiftDays, wallOf, wholeDays } from "../src/lib/days.ts";
import { costTick } from "../src/lib/format.ts";
import { changeOf, pointsOf } from "../src/overview/change.ts";
import {
  axisOf,
  barsPath,
  columnAt,
  columnsOf,
  factorAxisOf,
  heatPaths,
  levelOf,
  linePath,
  stackOf,
  timeTicks,
} from "../src/overview/geometry.ts";
import { rangeOf } from "../src/overview/range.ts";
import { seriesOfGroups, seriesOfScores } from "../src/overview/scores.ts";
import { isTable, toggled } from "../src/overview/tables.ts";
import { wasteOf } from "../src/overview/waste.ts";
import { random } from "./outlines.ts";

vi.stubGlobal("location", { pathname: "/traces", search: "" });

const at = (text: string): number => Date.parse(text);
const iso = (time: number): string => new Date(time).toISOString();
const BERLIN = "Europe/Berlin";

describe("days of a zone", () => {
  test("begin when its clocks say so, also where they are not on the hour", () => {
    expect(iso(dayStart(at("2026-11-22T10:00:00Z"), BERLIN))).toBe("2026-11-21T23:00:00.000Z");
    expect(iso(dayStart(at("2026-11-22T10:00:00Z"), "Asia/Kathmandu"))).toBe("2026-11-21T18:15:00.000Z");
    expect(iso(monthStart(at("2026-11-22T10:00:00Z"), BERLIN))).toBe("2026-10-31T23:00:00.000Z");
  });

  test("have 23 or 25 hours when the clocks change", () => {
    const spring = dayStart(at("2026-03-29T12:00:00Z"), BERLIN);
    const autumn = dayStart(at("2026-10-25T12:00:00Z"), BERLIN);
    expect((shiftDays(spring, 1, BERLIN) - spring) / 3_600_000).toBe(23);
    expect((shiftDays(autumn, 1, BERLIN) - autumn) / 3_600_000).toBe(25);
    expect(wholeDays(autumn, shiftDays(autumn, 7, BERLIN), BERLIN)).toBe(7);
    expect(wholeDays(autumn + 1, shiftDays(autumn, 7, BERLIN), BERLIN)).toBeNull();
  });

  test("begin late where the clocks skip midnight, and never twice", () => {
    const day = dayStart(at("2026-09-06T12:00:00Z"), "America/Santiago");
    expect(iso(day)).toBe("2026-09-06T04:00:00.000Z");
    expect(iso(wallOf(day, "America/Santiago"))).toBe("2026-09-06T01:00:00.000Z");
    expect(iso(momentOf(at("2026-10-25T02:30:00Z"), BERLIN))).toBe("2026-10-25T00:30:00.000Z");
  });

  test("have a moment for each time that the clocks show", () => {
    const next = random(11);
    for (const zone of [BERLIN, "Australia/Lord_Howe", "America/New_York", "UTC", "Asia/Kathmandu"]) {
      for (let round = 0; round < 200; round++) {
        const moment = Math.floor(at("2026-01-01T00:00:00Z") + next() * 365 * 86_400_000);
        expect(wallOf(momentOf(wallOf(moment, zone), zone), zone)).toBe(wallOf(moment, zone));
      }
    }
  });
});

describe("the range", () => {
  const now = at("2026-11-22T10:20:30Z");
  const range = (query: string, zone = BERLIN) => rangeOf(new URLSearchParams(query), now, zone);

  test("of days begins at midnight, and is compared with as much of the days before", () => {
    const { start, end, before, open } = range("range=7d");
    expect([iso(start), iso(end), open]).toEqual([
      "2026-11-15T23:00:00.000Z",
      "2026-11-22T10:20:00.000Z",
      true,
    ]);
    expect([iso(before.start), iso(before.end)]).toEqual([
      "2026-11-08T23:00:00.000Z",
      "2026-11-15T10:20:00.000Z",
    ]);
  });

  test("of days is compared over a change of the clocks at the same time of day", () => {
    const monday = at("2026-10-26T10:20:00Z");
    const { before } = rangeOf(new URLSearchParams("range=7d"), monday, BERLIN);
    expect(iso(before.end)).toBe("2026-10-19T09:20:00.000Z"); // 11:20 in both
  });

  test("of hours is compared with those just before", () => {
    const { start, before } = range("range=24h");
    expect(before).toEqual({ start: start - 86_400_000, end: start });
  });

  test("of an address is what it says, in whole days where it is made of such", () => {
    const days = range("from=2026-10-24T22:00:00Z&to=2026-10-26T23:00:00Z");
    expect(days.open).toBe(false);
    expect([iso(days.before.start), iso(days.before.end)]).toEqual([
      "2026-10-22T22:00:00.000Z",
      "2026-10-24T22:00:00.000Z",
    ]);
    const hours = range("from=2026-11-20T10:00:00Z&to=2026-11-20T12:00:00Z");
    expect(iso(hours.before.start)).toBe("2026-11-20T08:00:00.000Z");
  });

  test("survives what the address should not have", () => {
    expect(range("range=all").start).toBe(range("range=90d").start);
    expect(range("range=constructor").start).toBe(range("range=90d").start); // a name that every object has
    expect(range("from=x&to=y").start).toBe(range("").start);
    const reversed = range("from=2026-11-20T10:00:00Z&to=2026-11-19T10:00:00Z");
    expect(reversed.start).toBeLessThan(reversed.end);
    const long = range("from=2001-01-01T00:00:00Z");
    expect((long.end - long.start) / 86_400_000).toBeLessThan(400);
  });
});

describe("a change", () => {
  test("is in percent, in times when it is large, and in points for a share", () => {
    expect(changeOf(112, 100)).toEqual({ text: "+12 %", direction: 1 });
    expect(changeOf(97, 100)).toEqual({ text: "−3 %", direction: -1 });
    expect(changeOf(1200, 100)?.text).toBe("12 times");
    expect(changeOf(100.2, 100)).toEqual({ text: "as before", direction: 0 });
    expect(pointsOf(0.031, 0.01)?.text).toBe("+2.1 points");
  });

  test("is none of what is unknown, and is not infinite", () => {
    expect(changeOf(null, 1)).toBeNull();
    expect(changeOf(5, 0)).toEqual({ text: "none before", direction: 0 });
    expect(changeOf(0, 0)?.direction).toBe(0);
  });
});

describe("the axis", () => {
  test("ends at a round number that is not below the largest value", () => {
    const next = random(5);
    for (let round = 0; round < 300; round++) {
      const largest = 10 ** (next() * 12 - 6);
      const axis = axisOf(largest);
      expect(axis.share(largest)).toBeLessThanOrEqual(1.0011);
      expect(axis.share(largest)).toBeGreaterThan(0.5);
      expect(axis.ticks.length).toBeLessThanOrEqual(5);
    }
    expect(axisOf(0).ticks).toEqual([0]);
    const signed = axisOf(1, -1);
    expect(signed.ticks).toEqual([-1, 0, 1]);
    expect([-1, 0, 1].map(signed.share)).toEqual([0, 0.5, 1]);
    expect(axisOf(Number.NaN).ticks).toEqual([0]);
  });

  test("has equal steps of 1, 2 or 5 times a power of ten, and the decimals of that step", () => {
    const next = random(7);
    for (let round = 0; round < 300; round++) {
      const { ticks, decimals } = axisOf(10 ** (next() * 15 - 9));
      const step = (ticks[1] as number) - (ticks[0] as number);
      ticks
        .slice(1)
        .forEach((tick, index) => expect((tick - (ticks[index] as number)) / step).toBeCloseTo(1));
      const power = 10 ** Math.floor(Math.log10(step * 1.000001));
      expect([1, 2, 5]).toContain(Number((step / power).toFixed(6)));
      expect(decimals).toBe(Math.max(0, -Math.round(Math.log10(power))));
    }
    expect(axisOf(0.0094)).toMatchObject({ ticks: [0, 0.005, 0.01], decimals: 3 });
    expect(axisOf(9)).toMatchObject({ ticks: [0, 5, 10], decimals: 0 });
  });

  test.each([
    [0.0094, ["$0", "$0.005", "$0.010"]],
    [0.0058, ["$0", "$0.002", "$0.004", "$0.006"]],
    [0.75, ["$0", "$0.50", "$1.00"]],
    [0.3, ["$0", "$0.10", "$0.20", "$0.30"]],
    [1.4, ["$0", "$0.50", "$1.00", "$1.50"]],
    [5.5, ["$0", "$2", "$4", "$6"]],
    [5600, ["$0", "$2,000", "$4,000", "$6,000"]],
    [0.00014, ["$0", "50 µ$", "100 µ$", "150 µ$"]],
    [0.0011, ["$0", "$0.0005", "$0.0010", "$0.0015"]],
    [0.0000014, ["$0", "0.5 µ$", "1.0 µ$", "1.5 µ$"]],
    [0.0000000058, ["$0", "0.002 µ$", "0.004 µ$", "0.006 µ$"]],
  ])("of costs up to %d has labels with the same decimals", (largest, labels) => {
    const { ticks, decimals } = axisOf(largest);
    expect(ticks.map((tick) => costTick(tick, decimals))).toEqual(labels);
  });

  test("of factors contains all values, in their order", () => {
    const axis = factorAxisOf([120, 4000, 61_000, 0]);
    expect(axis.ticks).toEqual([100, 1000, 10_000]);
    const shares = [0, 120, 4000, 61_000].map(axis.share);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.every((share) => share >= 0 && share <= 1)).toBe(true);
    expect(factorAxisOf([]).ticks).toEqual([]);
    expect(factorAxisOf([5]).share(5)).toBeGreaterThan(0);
  });
});

describe("columns", () => {
  test("are as wide as their time: a day of 25 hours is wider", () => {
    const times = ["2026-10-24", "2026-10-25", "2026-10-26"].map((day) =>
      dayStart(at(`${day}T12:00:00Z`), BERLIN),
    );
    const columns = columnsOf(times, dayStart(at("2026-10-27T12:00:00Z"), BERLIN), 73);
    expect(columns).toEqual([0, 24, 49, 73]);
    expect([0, 23.9, 24, 60, 999, -5].map((x) => columnAt(columns, x))).toEqual([0, 0, 1, 2, 2, 0]);
  });

  test("have labels at midnight on both sides of a change of clocks", () => {
    const hours = Array.from(
      { length: 72 },
      (_, hour) => dayStart(at("2026-10-24T12:00:00Z"), BERLIN) + hour * 3_600_000,
    );
    const columns = columnsOf(hours, (hours.at(-1) as number) + 3_600_000, 720);
    const ticks = timeTicks(
      columns,
      hours.map((hour) => wallOf(hour, BERLIN)),
      720,
    );
    const days = ticks.filter((tick) => tick.day).map((tick) => iso(hours[tick.index] as number));
    expect(days).toEqual([
      "2026-10-23T22:00:00.000Z",
      "2026-10-24T22:00:00.000Z",
      "2026-10-25T23:00:00.000Z",
    ]);
  });

  test("have labels with room between them, whatever the width", () => {
    for (const width of [60, 300, 700, 1800]) {
      for (const step of [900_000, 3_600_000, 86_400_000]) {
        const times = Array.from({ length: 90 }, (_, index) => at("2026-11-01T00:00:00Z") + index * step);
        const columns = columnsOf(times, (times.at(-1) as number) + step, width);
        const ticks = timeTicks(columns, times, width);
        ticks.slice(1).forEach((tick, index) => expect(tick.x - (ticks[index]?.x ?? 0)).toBeGreaterThan(50));
      }
    }
  });
});

describe("marks", () => {
  const linear = (value: number) => value / 10;

  test("are stacked without a gap", () => {
    expect(
      stackOf([
        [1, 2],
        [3, 0],
      ]),
    ).toEqual([
      [
        [0, 1],
        [0, 2],
      ],
      [
        [1, 4],
        [2, 2],
      ],
    ]);
    expect(
      barsPath(
        [0, 3, 6],
        [
          [0, 5],
          [2, 2],
        ],
        linear,
        100,
      ),
    ).toBe("M0 100V50H3V100z");
  });

  test("of a line stop where there is no value", () => {
    const path = linePath([0, 10, 20, 30, 40], [5, 5, null, 5], linear, 100);
    expect(path).toBe("M5 50L15 50M31.5 50H38.5");
    expect(linePath([0, 10], [null], linear, 100)).toBe("");
  });

  test("of a heatmap keep one call visible next to thousands", () => {
    const paths = heatPaths(
      [0, 10, 20],
      [
        [1, 0],
        [0, 5000],
      ],
      100,
    );
    expect(paths.filter(Boolean)).toHaveLength(2);
    expect(paths[0]).not.toBe("");
    expect(levelOf(5000, 5000)).toBe(5);
    expect(levelOf(1, 1)).toBe(5);
  });
});

describe("tables", () => {
  test("are switched one by one, or all", () => {
    expect(toggled(null, "cost")).toBe("cost");
    expect(toggled("cost", "errors")).toBe("cost,errors");
    expect(toggled("cost,errors", "cost")).toBe("errors");
    expect(toggled("cost", "cost")).toBeNull();
    expect(isTable("all", "cost") && isTable("errors,cost", "cost")).toBe(true);
    expect(isTable(null, "cost") || isTable("costs", "cost")).toBe(false);
  });
});

describe("means of a score", () => {
  const means = (mean: number | null, count: number) => ({
    mean,
    count,
    points: [{ time: "t", mean, count }],
  });

  test("are those of the scores with most values, each with the filter that finds its traces", () => {
    const scores = Array.from({ length: 9 }, (_, index) => ({
      name: `score ${index}`,
      ...means(0.5, 9 - index),
    }));
    const series = seriesOfScores(scores);
    expect(series.map(({ name }) => name)).toEqual(scores.slice(0, 8).map(({ name }) => name));
    expect(series[0]).toMatchObject({
      label: "score 0",
      values: [0.5],
      mean: 0.5,
      count: 9,
      only: { "score.score 0>": "-1000000000000000" },
    });
  });

  test("are by model or prompt version, with what is counted together last", () => {
    const groups = [
      { group: "other", ...means(0.1, 9) },
      { group: "large", ...means(0.75, 2) },
      { group: null, ...means(null, 0) },
    ];
    const score = { name: "quality", ...means(0.5, 11), groups };
    const series = seriesOfGroups("quality", score, "prompt_version");
    expect(series.map(({ label, mean, count }) => [label, mean, count])).toEqual([
      ["large", 0.75, 2],
      ["without prompt version", null, 0],
      ["others", 0.1, 9],
    ]);
    const scored = { "score.quality>": "-1000000000000000" };
    expect(series.map(({ only }) => only)).toEqual([
      { ...scored, prompt_version: "large" },
      { ...scored, prompt_version: null },
      scored,
    ]);
    expect(seriesOfGroups("quality", undefined, "model_name")).toEqual([]);
  });
});

describe("waste", () => {
  test("is by provider and by reason, the largest first", () => {
    const row = (model_provider: string | null, status: string, wasted_cost_usd: number) =>
      ({ model_provider, status, wasted_cost_usd }) as never;
    expect(
      wasteOf([
        row("a", "error", 1),
        row("b", "success", 5),
        row("a", "success", 2),
        row("c", "success", 0),
        row(null, "error", 1),
      ]),
    ).toEqual([
      { provider: "b", total: 5, parts: [0, 5] },
      { provider: "a", total: 3, parts: [1, 2] },
      { provider: null, total: 1, parts: [1, 0] },
    ]);
  });
});

import { describe, expect, test } from "vitest";
import { gapsOf, idleShare, scaleOf, ticksOf, union, without } from "../src/trace/scale.ts";
import { random } from "./outlines.ts";

describe("a scale", () => {
  test("maps its window onto its width, and back", () => {
    const scale = scaleOf({ start: 100, end: 300 }, 500);
    expect([scale.x(100), scale.x(200), scale.x(300)]).toEqual([0, 250, 500]);
    expect(scale.time(250)).toBe(200);
  });

  test("is finite for a window of no length and a box of no width", () => {
    expect(Number.isFinite(scaleOf({ start: 5, end: 5 }, 100).x(5))).toBe(true);
    expect(Number.isFinite(scaleOf({ start: 0, end: 5 }, 0).x(3))).toBe(true);
  });

  test("with squeezed gaps stays in order, fills its width and can be inverted", () => {
    const next = random(3);
    for (let round = 0; round < 200; round++) {
      const gaps = union(
        Array.from({ length: 5 }, () => ({ start: next() * 900, end: 0 })).map((gap) => ({
          ...gap,
          end: gap.start + 1 + next() * 90,
        })),
      );
      const scale = scaleOf({ start: 0, end: 1000 }, 400, gaps);
      expect(scale.x(1000)).toBeCloseTo(400, 6);
      const times = Array.from({ length: 50 }, () => next() * 1000).sort((a, b) => a - b);
      const places = times.map((time) => scale.x(time));
      expect(places).toEqual([...places].sort((a, b) => a - b));
      times.forEach((time) => expect(scale.time(scale.x(time))).toBeCloseTo(time, 4));
    }
  });

  test("names where its breaks are and how long they take", () => {
    const scale = scaleOf({ start: 0, end: 1000 }, 118, [{ start: 50, end: 950 }]);
    expect(scale.breaks).toEqual([{ x: 50, width: 18, ms: 900 }]);
  });
});

describe("ticks", () => {
  test("are round, inside the window, and have room", () => {
    expect(ticksOf({ start: 0, end: 1000 }, 400)).toEqual([0, 200, 400, 600, 800, 1000]);
    for (const span of [0.004, 3, 950, 61_000, 9e6, 4e8]) {
      const ticks = ticksOf({ start: 0, end: span }, 500);
      expect(ticks.length).toBeGreaterThan(0);
      expect(ticks.length).toBeLessThanOrEqual(8);
    }
  });

  test("are none where there is no room or no time", () => {
    expect(ticksOf({ start: 0, end: 100 }, 20)).toEqual([]);
    expect(ticksOf({ start: 1, end: 1 }, 400)).toEqual([]);
  });
});

describe("idle time", () => {
  test("is what no step covers, if it is long", () => {
    const gaps = gapsOf({ start: 0, end: 1000 }, [
      { start: 0, end: 100 },
      { start: 90, end: 120 },
      { start: 130, end: 140 },
      { start: 900, end: 1000 },
    ]);
    expect(gaps).toEqual([{ start: 140, end: 900 }]);
    expect(idleShare({ start: 0, end: 1000 }, gaps)).toBe(0.76);
  });

  test("intervals without overlaps, and what they leave", () => {
    expect(
      union([
        { start: 5, end: 9 },
        { start: 1, end: 3 },
        { start: 2, end: 6 },
      ]),
    ).toEqual([{ start: 1, end: 9 }]);
    expect(
      without({ start: 0, end: 10 }, [
        { start: -5, end: 1 },
        { start: 4, end: 12 },
      ]),
    ).toEqual([{ start: 1, end: 4 }]);
    expect(without({ start: 0, end: 10 }, [])).toEqual([{ start: 0, end: 10 }]);
    expect(without({ start: 0, end: 10 }, [{ start: 0, end: 10 }])).toEqual([]);
  });
});
